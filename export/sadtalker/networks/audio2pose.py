"""PoseVAE: 32 frames of sound, a style and a random vector become 32 frames of head motion.

Only the decoder is here: the encoder and the discriminator are for training.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from export.sadtalker.networks.audio_encoder import AudioEncoder
from export.sadtalker.networks.res_unet import ResUnet
from lumen.families.sadtalker.dims import POSE, POSE_CHUNK, POSE_LATENT, STYLES, SadTalkerDims

HIDDEN = 128


class PoseAudioEncoder(nn.Module):
    """[B, 1, 80, 16] mel windows in [-4, 4] -> [B, 512]."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.audio_encoder = AudioEncoder(dims)

    def forward(self, mel: Tensor) -> Tensor:
        embedding: Tensor = self.audio_encoder(mel)
        return embedding


class PoseDecoder(nn.Module):
    """A conditional VAE's decoder, refined by a U-Net."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        n_values = POSE_CHUNK * POSE
        self.classbias = nn.Parameter(torch.zeros(STYLES, POSE_LATENT))
        self.linear_audio = nn.Linear(dims.channels(512), POSE)
        layers = {
            "L0": nn.Linear(POSE + POSE_LATENT + n_values, HIDDEN),
            "A0": nn.ReLU(),
            "L1": nn.Linear(HIDDEN, n_values),
            "sigmoid": nn.Sigmoid(),
        }
        self.MLP = nn.Sequential(OrderedDict(layers))
        self.resunet = ResUnet(dims)
        self.pose_linear = nn.Linear(POSE, POSE)

    def forward(self, z: Tensor, style: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Motion [B, 32, 6] relative to the reference pose.

        z: [B, 64], normally distributed. style: int64 [B] in [0, 46). reference: [B, 6].
        audio: [B, 32, 512], one embedding per frame.
        """
        latent = z + F.embedding(style, self.classbias)
        x = torch.cat([reference, latent, self.linear_audio(audio).flatten(1)], 1)
        rough = self.MLP(x).reshape(-1, 1, POSE_CHUNK, POSE)
        motion: Tensor = self.pose_linear(self.resunet(rough).squeeze(1))
        return motion


class PoseVae(nn.Module):
    """Decoder of the conditional VAE, the part that serving needs."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.decoder = PoseDecoder(dims)


class Audio2Pose(nn.Module):
    """The audio encoder and the VAE under their released names."""

    def __init__(self, dims: SadTalkerDims) -> None:
        super().__init__()
        self.audio_encoder = PoseAudioEncoder(dims)
        self.netG = PoseVae(dims)

    def forward(self, mel: Tensor, style: Tensor, reference: Tensor, z: Tensor) -> Tensor:
        """Motion [B, 32, 6] relative to the reference pose.

        mel: [B, 32, 80, 16] in [-4, 4]. style: int64 [B] in [0, 46). reference: [B, 6]. z: [B, 64].
        """
        audio = self.audio_encoder(mel.flatten(0, 1).unsqueeze(1))
        motion: Tensor = self.netG.decoder(z, style, reference, audio.unflatten(0, (-1, POSE_CHUNK)))
        return motion
