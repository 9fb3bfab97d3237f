{{- define "lumen.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "lumen.labels" -}}
app.kubernetes.io/name: lumen
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* What tells the pods of a component apart: (list $ "api"). */}}
{{- define "lumen.selector" -}}
app.kubernetes.io/name: lumen
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Claim of the disk that all API replicas share; empty where a bucket has it all. */}}
{{- define "lumen.claim" -}}
{{- if .Values.outputs.claim -}}
{{ .Values.outputs.claim }}
{{- else if not .Values.objects.url -}}
{{ include "lumen.name" . }}-outputs
{{- end -}}
{{- end -}}

{{- define "lumen.image" -}}
{{- $image := index . 1 -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}

{{/* Pools that have replicas, as a list in JSON. */}}
{{- define "lumen.pools" -}}
{{- $names := list -}}
{{- range $name, $pool := .Values.triton.pools -}}
{{- if gt (int $pool.replicas) 0 -}}{{- $names = append $names $name -}}{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* Address of a pool: every pod of it, in turn. (list $ "voice") */}}
{{- define "lumen.pool" -}}
dns:///{{ include "lumen.name" (index . 0) }}-triton-{{ index . 1 }}.{{ (index . 0).Release.Namespace }}.svc:8001
{{- end -}}

{{- define "lumen.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "lumen.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "lumen.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: ["ALL"]}
{{- end -}}
