"""Makes the bucket of the DVC remote, where the S3 service does not have it."""

from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]

from q2pt_tasks.orchestration.settings import Settings, SettingsError, read_settings


def main(settings: Settings) -> None:
    store = boto3.client("s3", endpoint_url=settings.dvc_remote_endpoint)
    bucket = bucket_name(settings.dvc_remote)
    if bucket not in [listed["Name"] for listed in store.list_buckets()["Buckets"]]:
        store.create_bucket(Bucket=bucket)


def bucket_name(dvc_remote: str | None) -> str:
    """The bucket in a URL such as `s3://bucket/folder`.

    Raises:
        SettingsError: it is no such URL.
    """
    url = urlsplit(dvc_remote or "")
    if url.scheme != "s3" or not url.netloc:
        raise SettingsError(f"Q2PT_DVC_REMOTE is {dvc_remote!r}; set it to a URL such as s3://bucket/folder")
    return url.netloc


if __name__ == "__main__":
    main(read_settings())
