-- The registry of shapes: what Electric may serve, and nothing else.
set local role sessionbase_owner;

create table sync.shapes (
    name text not null,
    table_schema text not null,
    table_name text not null,
    columns text[] not null,
    where_template text not null,
    params text[] not null,
    constraint shapes_pkey primary key (name),
    constraint shapes_name_check check (name ~ '^[a-z][a-z0-9_]{0,62}$'),
    constraint shapes_columns_check check (cardinality(columns) > 0),
    constraint shapes_where_template_check check (where_template ~ '\S'),
    constraint shapes_params_check check (cardinality(params) > 0)
);

comment on table sync.shapes is 'One row a shape that a client may ask for by name. Empty until sync is set up: what is not here is not served.';
comment on column sync.shapes.name is 'What a client asks for.';
comment on column sync.shapes.table_schema is 'Schema of the table.';
comment on column sync.shapes.table_name is 'The table.';
comment on column sync.shapes.columns is 'The columns that are sent, the primary key among them.';
comment on column sync.shapes.where_template is 'The condition, with positional parameters $1, $2.';
comment on column sync.shapes.params is 'What each parameter stands for, in order: account_id, session_id.';
