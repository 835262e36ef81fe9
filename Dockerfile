# All commands in a container. The base image decides between CPU and GPU, INSTALL between all and what needs no torch:
#   docker build -t cityscapes-fcn .
#   docker build -t cityscapes-fcn --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 .
#   docker build -t cityscapes-tools --build-arg INSTALL=. .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" cityscapes-fcn cityscapes-doctor --root data
# With a GPU add --gpus all; for training --ipc host, because loaded images pass through shared memory.
ARG BASE=python:3.13-slim
FROM ${BASE}

ENV PATH=/environment/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# Images of CUDA come without Python.
# hadolint ignore=DL3008
RUN python3 -m venv /environment || { \
      apt-get update \
      && apt-get install --yes --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/* \
      && python3 -m venv /environment; \
    }

ARG INSTALL=.[export]
COPY . /source
WORKDIR /source
RUN python -m pip install "${INSTALL}" --constraint constraints.txt && rm -rf /source/build

WORKDIR /work
CMD ["cityscapes-doctor", "--help"]
