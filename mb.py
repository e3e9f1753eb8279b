import psycopg,time
c=psycopg.connect(open('/tmp/m/rls/ci').read().strip(),autocommit=True)
M='00000000-0000-4000-8000-000000000009'
def body(name,lang,b,defn=True,own='authorizer',extra=''):
    c.execute(f"set role {own}"); c.execute(f"drop function if exists app.{name}()"); c.execute(f"create function app.{name}() returns uuid language {lang} stable {'security definer' if defn else ''} {extra} as $$ {b} $$"); c.execute("grant execute on function app.%s() to public"%name); c.execute("reset role")
SP='set search_path=pg_catalog,pg_temp'
setting="current_setting('request.jwt.claims', true)"
body('f0','plpgsql',"begin return null; end",False)
body('f0sp','plpgsql',"begin return null; end",False,extra=SP)
body('f0d','plpgsql',"begin return null; end",True,extra=SP)
body('f1','plpgsql',f"begin return (({setting})::jsonb ->> 'sub')::uuid; end",True,extra=SP)
body('f2','plpgsql',f"declare s text; begin begin s := ({setting})::jsonb ->> 'sub'; exception when data_exception then return null; end; return s::uuid; end",True,extra=SP)
body('f3','plpgsql',f"begin return (select a.id from app.accounts a where a.id=(({setting})::jsonb ->> 'sub')::uuid and a.status='active'); end",True,extra=SP)
body('f4','sql',f"select a.id from app.accounts a where a.id=(({setting})::jsonb ->> 'sub')::uuid and a.status='active'",True,extra=SP)
body('f5','sql',f"select (({setting})::jsonb ->> 'sub')::uuid",False)
body('f6','plpgsql',f"declare s text; begin s := ({setting})::jsonb ->> 'sub'; if s ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' then return s::uuid; end if; return null; end",True,extra=SP)
c.execute("set role app_user"); c.execute("select set_config('request.jwt.claims',%s,false)",['{"sub":"%s"}'%M])
for f in ['f0','f0sp','f0d','f1','f2','f3','f4','f5','f6','current_account_id']:
    c.execute(f"prepare p_{f} as select app.{f}()")
    best=9
    for _ in range(5):
        N=2000; t=time.perf_counter(); c.execute(f"select count(app.{f}()) from generate_series(1,{N})"); best=min(best,(time.perf_counter()-t)/N*1e6)
    print(f, f"{best:.2f} us/call in loop")
