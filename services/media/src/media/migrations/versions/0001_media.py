"""The floor, media, and what holds them (spec 3.1)."""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_STATES = """'pending', 'uploaded', 'processing', 'ready', 'failed', 'delete_requested', 'deleted', 'delete_failed'"""

_MEDIA = f"""
create table media.media (
    id uuid not null,
    store_id uuid not null,
    user_id uuid not null,
    kind text not null,
    status text default 'pending' not null,
    former_status text,
    public_url text,
    gcs_key text not null,
    file_name text not null,
    mime_type text not null,
    ocr text,
    size_bytes bigint not null,
    is_compressed boolean default false not null,
    delete_attempts bigint default 0 not null,
    version bigint default 1 not null,
    created_at timestamptz default clock_now() not null,
    updated_at timestamptz default clock_now() not null,
    uploaded_at timestamptz,
    verified_at timestamptz,
    processing_started_at timestamptz,
    ready_at timestamptz,
    failed_at timestamptz,
    delete_requested_at timestamptz,
    deletion_began_at timestamptz,
    deleted_at timestamptz,
    constraint pk_media primary key (id),
    constraint uq_media_gcs_key unique (gcs_key),
    constraint ck_media_former_status_kept
        check ((status in ('delete_requested', 'delete_failed')) = (former_status is not null)),
    constraint ck_media_kind
        check (kind in ('product', 'ads', 'pdf', 'license_doc', 'coa', 'manifest', 'user', 'store', 'other')),
    constraint ck_media_status check (status in ({_STATES})),
    constraint ck_media_former_status check (former_status in ({_STATES})),
    constraint ck_media_file_name check (char_length(file_name) <= 255),
    constraint ck_media_mime_type
        check (mime_type in ('image/png', 'image/jpeg', 'image/webp', 'image/gif', 'video/mp4', 'video/webm',
            'application/pdf')),
    constraint ck_media_size_bytes check (size_bytes between 1 and 20971520),
    constraint ck_media_delete_attempts check (delete_attempts >= 0),
    constraint ck_media_version check (version >= 1)
)
"""

_ATTACHMENTS = """
create table media.media_attachments (
    id uuid not null,
    media_id uuid not null,
    entity_type text not null,
    entity_id uuid not null,
    store_id uuid not null,
    gcs_key text not null,
    purge boolean default false not null,
    created_at timestamptz default clock_now() not null,
    detached_at timestamptz,
    constraint pk_media_attachments primary key (id),
    constraint fk_media_attachments_media_id foreign key (media_id) references media.media (id) on delete restrict,
    constraint ck_media_attachments_entity_type
        check (entity_type in ('license', 'ad', 'product_gallery', 'product_coa', 'store_logo', 'store_banner'))
)
"""

_INDEXES = (
    "create index ix_media_store_newest on media.media (store_id, created_at, id)",
    "create index ix_media_kind on media.media (kind)",
    "create index ix_media_user_id on media.media (user_id)",
    "create index ix_media_status_created_at on media.media (status, created_at)",
    "create index ix_media_attachments_entity on media.media_attachments (entity_type, entity_id)",
    "create index ix_media_attachments_media_id on media.media_attachments (media_id)",
)


def upgrade() -> None:
    create_floor(op, "media")
    for statement in (_MEDIA, _ATTACHMENTS, *_INDEXES):
        op.execute(statement)


def downgrade() -> None:
    for name in ("media_attachments", "media"):
        op.execute(f"drop table media.{name}")
    drop_floor(op, "media")
