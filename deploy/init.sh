#!/bin/sh
# What must be there before Airflow starts. It runs at every start and changes nothing that is there already.
set -eu

airflow db migrate
airflow pools set gpu "$GPU_SLOTS" "Trainings, as many at once as the GPUs hold"
# Through standard input: other users of the host see the arguments of a process.
printf '%s\n%s\n' "$ADMIN_PASSWORD" "$ADMIN_PASSWORD" | airflow users create \
    --username admin --role Admin --firstname q2pt --lastname admin --email admin@localhost
python "$(dirname "$0")/create_bucket.py"
