// Calls functions of schema api with node-postgres.
import pg from 'pg';

// bigint comes as a string, for it can be more than a number holds. None here comes near 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// Where: PGHOST, PGPORT, PGUSER (app_server), PGPASSWORD, PGDATABASE; or { connectionString }.
export const pool = new pg.Pool({ max: 10 });
// Without this an idle connection that is lost ends the process.
pool.on('error', (error) => console.error('a connection was lost:', error.message));

// A function as an account, in a transaction of its own; its rows.
export async function call(account, name, given = {}) {
  return transaction(account, (callHere) => callHere(name, given));
}

// Several in one: await transaction(account, async (call) => { await call('open_session'); ... })
export async function transaction(account, work) {
  const client = await pool.connect();
  let lost;
  const note = (error) => { lost = error; };
  client.on('error', note);
  try {
    await client.query('begin; set local role app_user');
    await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub: account })]);
    const done = await work((name, given) => callOn(client, name, given));
    await client.query('commit');
    return done;
  } catch (error) {
    await client.query('rollback').catch(note);
    throw error;
  } finally {
    client.off('error', note);
    // A connection that was lost does not go back to the pool.
    client.release(lost);
  }
}

async function callOn(client, name, given = {}) {
  // What is undefined is left out, so that its default holds.
  const named = Object.entries(given).filter(([, value]) => value !== undefined);
  const list = named.map(([key], place) => `${pg.escapeIdentifier(key)} => $${place + 1}`);
  const query = `select * from api.${pg.escapeIdentifier(name)}(${list.join(', ')})`;
  return (await client.query(query, named.map(([, value]) => value))).rows;
}

// A call that may be made twice, until it is through; four times at most.
export async function callAgain(account, name, given) {
  for (const pause of [50, 200, 1000]) {
    try {
      return await call(account, name, given);
    } catch (error) {
      if (!mayPass(error)) throw error;
      await new Promise((wake) => setTimeout(wake, pause));
    }
  }
  return call(account, name, given);
}

// Whether the same call may get through again: the server or the network gave up, not it.
export function mayPass({ code = '', message }) {
  return ['40001', '40P01', '53300', '57P01', '57P02', '57P03', 'EPIPE', 'ETIMEDOUT'].includes(code)
    || /^(08...|ECONN.*)$/.test(code)
    || /^Connection terminated|connection error and is not queryable/.test(message);
}
