"""Jobs: clips that are made while nobody waits. Begin with `service`.

A job is plain data (`job.Job`): the checked fields of a request, the names of its uploads, and how far it
is. So it outlives the client and the process. `service.Jobs` takes jobs in, tells of them and removes them;
`runner` makes one with the function that serves waiting clients too (`generation.clips.make_clip`), in files
named by the job's id, so that doing it twice does the same. Two interfaces keep them:

- `store.JobStore`: the records, and who is told of their changes. A job ends once: the first end that is
  written stays; whoever brings another one later is told so, and takes its files away. With the end it is
  written that nobody knows of it yet, until the observers (webhooks) do.
- `queue.JobQueue`: who works when. At least once: what a process that died was doing is done again, up to
  ``JOB_ATTEMPTS`` times. The keys, or clients, take turns (`turns`).

`embedded` keeps them as files of one process (the default). `in_redis` keeps them in Redis for several
processes: the library saq hands them out, and a job whose worker shows no sign of life any more goes to
another one. `uploads` keeps the files that came with a job. A job waits for a place for clips
(`pipeline.places`), and all together take at most the part of them that ``JOBS_SHARE`` leaves to jobs.
"""
