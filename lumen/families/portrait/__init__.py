"""Portraits: a picture becomes faces, meshes and landmarks, by MediaPipe's networks.

Begin with ``face_mesh``, which finds faces and their meshes; ``portrait`` chooses the face that is animated.
"""
