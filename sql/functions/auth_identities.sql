-- Identities: which account somebody of an identity provider is here. For operators, who act as authorizer.
set local role authorizer;

create or replace function auth.add_identity(account text, issuer text, subject text, may_create boolean default false)
returns table (account_id uuid, account_is_new boolean, identity_is_new boolean)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_holder uuid;
begin
    -- A name goes before an id, as in legacy.find_account.
    select found.id
    into account_id
    from app.accounts as found
    where found.name = add_identity.account
        or found.id::text = lower(add_identity.account)
    order by found.name = add_identity.account desc
    limit 1;

    account_is_new := account_id is null;
    if account_is_new and not add_identity.may_create then
        raise exception 'there is no account %', add_identity.account
            using
                errcode = 'SB001',
                hint = 'Give the name or the id of a row of app.accounts, or ask for it to be made.';
    elsif account_is_new then
        insert into app.accounts (name)
        values (add_identity.account)
        returning id into account_id;
    end if;

    insert into auth.identities as identity (issuer, subject, account_id)
    values (add_identity.issuer, add_identity.subject, account_id)
    on conflict (issuer, subject) do nothing;
    identity_is_new := found;
    if not identity_is_new then
        select identity.account_id
        into v_holder
        from auth.identities as identity
        where identity.issuer = add_identity.issuer
            and identity.subject = add_identity.subject;
        if v_holder is distinct from account_id then
            raise exception 'this identity is another account''s'
                using
                    errcode = 'SB409',
                    detail = format('It signs in to account %s.', v_holder),
                    hint = 'An identity is of one account. Remove it there first: delete from auth.identities.';
        end if;
    end if;
    return next;
end;
$$;
comment on function auth.add_identity(text, text, text, boolean) is 'Lets an identity sign in to an account, named or by id, which is made if it is not there and may be. The same again changes nothing; SB409 if the identity is another account''s.';
