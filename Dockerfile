# Two images: `airflow`, the default one, for all of Airflow's services and the git services; `store` for the S3 service.
# No process in them is root, and what they write they write to volumes: a new volume takes the owner of the folder
# that it is mounted on.

FROM versity/versitygw:v1.8.0 AS store
USER root
RUN mkdir -p /data && chown 10001:10001 /data
USER 10001:10001


FROM python:3.11.15-slim-bookworm AS build
# Of which build torch is: cpu, or a version of CUDA such as cu130.
ARG TORCH_BACKEND=cpu
# What a log elsewhere is read with, such as "--extra postgresql" or "--extra delta --extra iceberg".
ARG EXTRAS=
ENV UV_COMPILE_BYTECODE=1 UV_NO_CACHE=1
WORKDIR /build
COPY constraints.txt pyproject.toml ./
RUN pip install --no-cache-dir --constraint constraints.txt uv \
    && uv venv --python /usr/local/bin/python /opt/venv \
    && uv pip install --python /opt/venv/bin/python --constraint constraints.txt \
        --torch-backend "${TORCH_BACKEND}" --requirements pyproject.toml ${EXTRAS}
# After the packages, which take minutes and change rarely.
COPY README.md ./
COPY q2pt_tasks q2pt_tasks
RUN uv pip install --python /opt/venv/bin/python --no-deps .


FROM python:3.11.15-slim-bookworm AS airflow
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 q2pt \
    && useradd --uid 10001 --gid q2pt --create-home q2pt \
    && install --directory --owner q2pt --group q2pt /opt/airflow /opt/airflow/logs /srv/git \
    && install --directory --owner q2pt --group q2pt /var/lib/q2pt /var/lib/q2pt/tmp /srv/landing
COPY --from=build /opt/venv /opt/venv
# The checkout that the DAG is rendered from. Stages run the code of the run's commit, all else runs what is here.
WORKDIR /opt/q2pt
COPY dvc.yaml params.yaml ./
COPY dags dags
COPY deploy deploy
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/q2pt/dags \
    HF_HOME=/var/lib/q2pt/huggingface \
    Q2PT_WORK_DIR=/var/lib/q2pt
USER 10001:10001
