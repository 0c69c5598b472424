"""Users, stores, memberships, invitations, licences, sessions.

Revision ID: 0001
Revises: -
"""

from alembic import op

from chassis.db.floor import create_floor, drop_floor

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAMES = (
    "session_copies_owed", "refresh_tokens", "session_families", "media", "licenses", "store_invites",
    "store_memberships", "stores", "password_resets", "users",
)  # fmt: skip

_TABLES = (
    """
    create table identity.users (
        id uuid not null,
        email text not null,
        password_hash text not null,
        first_name text not null,
        last_name text not null,
        phone text,
        is_active boolean default true not null,
        must_change_password boolean default false not null,
        password_changed_at timestamptz,
        password_expires_at timestamptz,
        last_login_at timestamptz,
        system_role text,
        version bigint default 1 not null,
        created_at timestamptz default clock_now() not null,
        updated_at timestamptz default clock_now() not null,
        constraint pk_users primary key (id),
        constraint uq_users_email unique (email),
        constraint ck_users_email check (char_length(email) <= 320),
        constraint ck_users_first_name check (char_length(first_name) <= 255),
        constraint ck_users_last_name check (char_length(last_name) <= 255),
        constraint ck_users_phone check (char_length(phone) <= 64),
        constraint ck_users_system_role check (system_role in ('agent', 'admin')),
        constraint ck_users_version check (version >= 1)
    )
    """,
    """
    create table identity.password_resets (
        user_id uuid not null,
        token_sha256 bytea not null,
        expires_at timestamptz not null,
        created_at timestamptz default clock_now() not null,
        constraint pk_password_resets primary key (user_id),
        constraint fk_password_resets_user_id foreign key (user_id) references identity.users (id)
    )
    """,
    """
    create table identity.stores (
        id uuid not null,
        type text not null,
        company_name text not null,
        company_key text not null,
        dba_name text,
        description text,
        phone text,
        email text,
        kyc_status text not null,
        suspended_reason text,
        kyc_override text,
        subscription_active boolean default false not null,
        subscription_override text,
        override_until date,
        override_reason text,
        delivery_radius_meters bigint not null,
        line1 text not null,
        line2 text,
        city text not null,
        state text not null,
        postal_code text not null,
        country text not null,
        lat double precision,
        lng double precision,
        geocode_status text not null,
        geom geography(point, 4326) generated always as (
            case when lat is null then null else st_setsrid(st_makepoint(lng, lat), 4326)::geography end
        ) stored,
        social jsonb,
        owner_user_id uuid not null,
        logo_media_id uuid,
        logo_attachment_id uuid,
        logo_gcs_key text,
        logo_url text,
        banner_media_id uuid,
        banner_attachment_id uuid,
        banner_gcs_key text,
        banner_url text,
        ratings jsonb,
        categories text[],
        provider_customer_id text,
        badge text,
        last_active_at timestamptz,
        last_logged_in_at timestamptz,
        version bigint default 1 not null,
        deleted_at timestamptz,
        created_at timestamptz default clock_now() not null,
        updated_at timestamptz default clock_now() not null,
        constraint pk_stores primary key (id),
        constraint ck_stores_lat_with_lng check ((lat is null) = (lng is null)),
        constraint ck_stores_lat check (lat between -90 and 90),
        constraint ck_stores_lng check (lng between -180 and 180),
        constraint ck_stores_delivery_radius_meters_max check (delivery_radius_meters <= 500000),
        constraint ck_stores_override_until check (
            override_until is null or kyc_override is not null or subscription_override is not null
        ),
        constraint fk_stores_owner_user_id foreign key (owner_user_id) references identity.users (id),
        constraint ck_stores_type check (type in ('buyer', 'vendor')),
        constraint ck_stores_company_name check (char_length(company_name) <= 255),
        constraint ck_stores_dba_name check (char_length(dba_name) <= 255),
        constraint ck_stores_phone check (char_length(phone) <= 64),
        constraint ck_stores_email check (char_length(email) <= 320),
        constraint ck_stores_kyc_status check (
            kyc_status in ('pending_verification', 'verified', 'rejected', 'expired', 'suspended')
        ),
        constraint ck_stores_kyc_override check (kyc_override in ('verified')),
        constraint ck_stores_subscription_override check (subscription_override in ('active')),
        constraint ck_stores_delivery_radius_meters check (delivery_radius_meters between 0 and 2147483647),
        constraint ck_stores_line1 check (char_length(line1) <= 255),
        constraint ck_stores_line2 check (char_length(line2) <= 255),
        constraint ck_stores_city check (char_length(city) <= 255),
        constraint ck_stores_state check (char_length(state) <= 2),
        constraint ck_stores_postal_code check (char_length(postal_code) <= 16),
        constraint ck_stores_country check (char_length(country) <= 2),
        constraint ck_stores_geocode_status check (geocode_status in ('none', 'pending', 'done', 'failed')),
        constraint ck_stores_badge check (badge in ('top_brand', 'quality_verified')),
        constraint ck_stores_version check (version >= 1)
    )
    """,
    """
    create table identity.store_memberships (
        id uuid not null,
        store_id uuid not null,
        user_id uuid not null,
        role text not null,
        status text not null,
        invited_by_user_id uuid,
        created_at timestamptz default clock_now() not null,
        updated_at timestamptz default clock_now() not null,
        constraint pk_store_memberships primary key (id),
        constraint fk_store_memberships_store_id foreign key (store_id) references identity.stores (id),
        constraint fk_store_memberships_user_id foreign key (user_id) references identity.users (id),
        constraint fk_store_memberships_invited_by_user_id foreign key (invited_by_user_id)
            references identity.users (id),
        constraint ck_store_memberships_role check (role in ('owner', 'manager', 'staff', 'ops', 'viewer')),
        constraint ck_store_memberships_status check (status in ('invited', 'pending', 'active', 'removed'))
    )
    """,
    """
    create table identity.store_invites (
        id uuid not null,
        store_id uuid not null,
        email text not null,
        first_name text not null,
        last_name text not null,
        role text not null,
        token_sha256 bytea not null,
        invited_by_user_id uuid not null,
        expires_at timestamptz not null,
        accepted_at timestamptz,
        revoked_at timestamptz,
        created_at timestamptz default clock_now() not null,
        constraint pk_store_invites primary key (id),
        constraint fk_store_invites_store_id foreign key (store_id) references identity.stores (id),
        constraint fk_store_invites_invited_by_user_id foreign key (invited_by_user_id) references identity.users (id),
        constraint ck_store_invites_email check (char_length(email) <= 320),
        constraint ck_store_invites_first_name check (char_length(first_name) <= 255),
        constraint ck_store_invites_last_name check (char_length(last_name) <= 255),
        constraint ck_store_invites_role check (role in ('owner', 'manager', 'staff', 'ops', 'viewer'))
    )
    """,
    """
    create table identity.licenses (
        id uuid not null,
        store_id uuid not null,
        user_id uuid not null,
        status text not null,
        media_id uuid not null,
        attachment_id uuid not null,
        gcs_key text not null,
        issuing_state text not null,
        issue_date date,
        expiration_date date,
        type text not null,
        number text not null,
        number_key text not null,
        reject_reason text,
        reviewed_by_user_id uuid,
        reviewed_at timestamptz,
        warned_at timestamptz,
        expired_at timestamptz,
        created_at timestamptz default clock_now() not null,
        updated_at timestamptz default clock_now() not null,
        constraint pk_licenses primary key (id),
        constraint fk_licenses_store_id foreign key (store_id) references identity.stores (id),
        constraint fk_licenses_user_id foreign key (user_id) references identity.users (id),
        constraint fk_licenses_reviewed_by_user_id foreign key (reviewed_by_user_id) references identity.users (id),
        constraint ck_licenses_status check (status in ('pending', 'verified', 'rejected', 'expired')),
        constraint ck_licenses_issuing_state check (char_length(issuing_state) <= 2),
        constraint ck_licenses_type check (type in ('producer', 'grower', 'dispensary', 'merchant')),
        constraint ck_licenses_number check (char_length(number) <= 255)
    )
    """,
    """
    create table identity.media (
        media_id uuid not null,
        source_epoch bigint default 1 not null,
        version bigint default 0 not null,
        deleted boolean default false not null,
        store_id uuid not null,
        kind text not null,
        status text not null,
        mime_type text not null,
        gcs_key text not null,
        public_url text,
        doubted boolean default false not null,
        updated_at timestamptz default clock_now() not null,
        constraint pk_media primary key (media_id),
        constraint ck_media_source_epoch check (source_epoch >= 1),
        constraint ck_media_version check (version >= 0),
        constraint ck_media_kind check (
            kind in ('product', 'ads', 'pdf', 'license_doc', 'coa', 'manifest', 'user', 'store', 'other')
        ),
        constraint ck_media_status check (
            status in ('pending', 'uploaded', 'processing', 'ready', 'failed', 'delete_requested', 'deleted',
                       'delete_failed')
        ),
        constraint ck_media_mime_type check (char_length(mime_type) <= 255)
    )
    """,
    """
    create table identity.session_families (
        id uuid not null,
        user_id uuid not null,
        active_store_id uuid,
        store_type text,
        role text,
        system_role text,
        membership_version bigint default 1 not null,
        must_change_password boolean default false not null,
        generation bigint default 1 not null,
        opened_from text not null,
        created_at timestamptz default clock_now() not null,
        rotated_at timestamptz default clock_now() not null,
        revoked_at timestamptz,
        reason text,
        constraint pk_session_families primary key (id),
        constraint fk_session_families_user_id foreign key (user_id) references identity.users (id),
        constraint fk_session_families_active_store_id foreign key (active_store_id) references identity.stores (id),
        constraint ck_session_families_store_type check (store_type in ('buyer', 'vendor')),
        constraint ck_session_families_role check (role in ('owner', 'manager', 'staff', 'ops', 'viewer')),
        constraint ck_session_families_system_role check (system_role in ('agent', 'admin')),
        constraint ck_session_families_membership_version check (membership_version >= 1),
        constraint ck_session_families_generation check (generation >= 1),
        constraint ck_session_families_opened_from check (char_length(opened_from) <= 64),
        constraint ck_session_families_reason check (char_length(reason) <= 64)
    )
    """,
    """
    create table identity.refresh_tokens (
        hash bytea not null,
        family uuid not null,
        generation bigint default 1 not null,
        used_at timestamptz,
        used_by text,
        successor bytea,
        created_at timestamptz default clock_now() not null,
        constraint pk_refresh_tokens primary key (hash),
        constraint fk_refresh_tokens_family foreign key (family) references identity.session_families (id),
        constraint ck_refresh_tokens_generation check (generation >= 1),
        constraint ck_refresh_tokens_used_by check (char_length(used_by) <= 64)
    )
    """,
    """
    create table identity.session_copies_owed (
        id uuid not null,
        sid uuid not null,
        created_at timestamptz default clock_now() not null,
        constraint pk_session_copies_owed primary key (id)
    )
    """,
)

_INDEXES = (
    "create unique index uq_password_resets_token_sha256 on identity.password_resets (token_sha256)",
    "create index ix_users_system_role on identity.users (system_role) where system_role is not null",
    """
    create index ix_stores_directory on identity.stores (state, kyc_status, subscription_active) where type = 'vendor'
    """,
    "create index ix_stores_geocode_pending on identity.stores (id) where geocode_status = 'pending'",
    "create index ix_stores_geom on identity.stores using gist (geom)",
    "create index ix_stores_override_until on identity.stores (override_until) where override_until is not null",
    "create index ix_stores_subscription_active on identity.stores (subscription_active)",
    "create index ix_stores_type_kyc_status on identity.stores (type, kyc_status)",
    "create unique index uq_stores_state_company_key on identity.stores (state, company_key) where deleted_at is null",
    "create index ix_store_memberships_store_id_role on identity.store_memberships (store_id, role)",
    "create index ix_store_memberships_store_id_status on identity.store_memberships (store_id, status)",
    "create index ix_store_memberships_user_id on identity.store_memberships (user_id)",
    "create unique index uq_store_memberships_store_id_user_id on identity.store_memberships (store_id, user_id)",
    "create index ix_store_invites_expires_at on identity.store_invites (expires_at)",
    "create unique index uq_store_invites_token_sha256 on identity.store_invites (token_sha256)",
    """
    create unique index uq_store_invites_undecided on identity.store_invites (store_id, email)
        where accepted_at is null and revoked_at is null
    """,
    "create index ix_licenses_expiration_date on identity.licenses (expiration_date)",
    "create index ix_licenses_expired_at on identity.licenses (expired_at) where expired_at is not null",
    "create index ix_licenses_media_id on identity.licenses (media_id)",
    "create index ix_licenses_status_created_at on identity.licenses (status, created_at)",
    "create index ix_licenses_store_id_status on identity.licenses (store_id, status)",
    """
    create unique index uq_licenses_issuing_state_number_key on identity.licenses (issuing_state, number_key)
    """,
    "create index ix_media_source_epoch on identity.media (source_epoch)",
    """
    create index ix_session_families_live_store on identity.session_families (active_store_id) where revoked_at is null
    """,
    "create index ix_session_families_user_id on identity.session_families (user_id, opened_from)",
    "create unique index uq_refresh_tokens_family_generation on identity.refresh_tokens (family, generation)",
)


def upgrade() -> None:
    """`migrate` has made sure of PostGIS by now, and says so clearly when the server has none."""
    create_floor(op, "identity")
    for statement in (*_TABLES, *_INDEXES):
        op.execute(statement)


def downgrade() -> None:
    for name in _NAMES:
        op.execute(f"drop table identity.{name}")
    drop_floor(op, "identity")
