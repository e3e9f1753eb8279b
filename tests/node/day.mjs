// A day of the old viewer, on its new stores: what its users did, through node-postgres, each read checked.
// ACCOUNT and FRIEND are two accounts; PGUSER is a login like app_server. Prints a summary as JSON.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import net from 'node:net';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import pg from 'pg';
import { call, callAgain, mayPass, pool, transaction } from './api.mjs';
import { putContent, readUpload, storeUpload } from './uploads.mjs';

const { ACCOUNT: anna, FRIEND: ben } = process.env;
const DAY = `session-${randomUUID().replaceAll('-', '')}`;
const done = {};
const count = (what, by = 1) => { done[what] = (done[what] ?? 0) + by; };

// Who calls it and which function are fixed; one row comes back.
const one = async (account, name, given) => {
  const rows = await call(account, name, given);
  assert.equal(rows.length, 1, name);
  count('calls');
  return rows[0];
};
const many = async (account, name, given) => {
  count('calls');
  return call(account, name, given);
};
const refused = async (code, promise) => {
  const error = await assert.rejects(promise, (thrown) => {
    assert.equal(thrown.code, code, thrown.message);
    assert.ok(thrown.hint || !code.startsWith('SB'), 'an error of ours says what to do');
    return true;
  });
  count('refused');
  return error;
};

async function morning() {
  const opened = await one(anna, 'open_session', { session_id: DAY });
  assert.deepEqual([opened.id, opened.account_id, opened.row_version], [DAY, anna, 1]);
  assert.equal(typeof opened.txid, 'number');
  assert.ok(opened.created_at instanceof Date);
  const again = await one(anna, 'open_session', { session_id: DAY });
  assert.deepEqual(again, opened);
  const madeUp = await one(anna, 'open_session');
  assert.match(madeUp.id, /^session-[0-9a-f]{32}$/);

  // Two tabs ask for the active thread at once: there is one.
  const asked = await Promise.all(Array.from({ length: 8 }, () => call(anna, 'get_active_thread', { session_id: DAY })));
  assert.equal(new Set(asked.map(([thread]) => thread.id)).size, 1);
  const [[first]] = asked;
  assert.deepEqual([first.title, first.mode, first.status, first.message_count], ['Session Coach', 'session', 'active', 0]);

  const bound = await one(anna, 'bind_repo', { session_id: DAY, asset_path: 'sessions/day.jsonl', root_dir: '/srv/tides' });
  const rebound = await one(anna, 'bind_repo', {
    session_id: DAY, asset_path: 'sessions/day.jsonl', root_dir: '/srv/harbour', expected_row_version: bound.row_version,
  });
  assert.equal(rebound.row_version, bound.row_version + 1);
  await refused('SB409', call(anna, 'bind_repo', {
    session_id: DAY, asset_path: 'x', root_dir: '/srv/other', expected_row_version: bound.row_version,
  }));
  assert.equal((await one(anna, 'get_repo_binding', { session_id: DAY })).root_dir, '/srv/harbour');
  assert.deepEqual((await many(anna, 'list_repo_bindings')).map((binding) => binding.session_id), [DAY]);

  const settings = { theme: 'dark', panes: [1, 2, { open: true }], note: 'ü🌊' };
  await one(anna, 'save_ui_settings', { profile_id: 'anna', settings: JSON.stringify(settings) });
  assert.deepEqual((await one(anna, 'get_ui_settings', { profile_id: 'anna' })).settings, settings);
  return first;
}

async function chat(thread) {
  // The prompt is sent; its answer gets lost, so it is sent again, twice.
  const prompt = {
    session_id: DAY, mode: 'session', role: 'user', content: 'Why does the build fail? 🤔', client_message_id: randomUUID(),
    context_events: JSON.stringify([{ eventIndex: 3, displayIndex: 4, eventType: 'message', summary: 'The build' }]),
  };
  const sent = await one(anna, 'append_message', prompt);
  for (let retry = 0; retry < 2; retry += 1) {
    assert.deepEqual(await one(anna, 'append_message', prompt), sent);
  }
  assert.equal(sent.thread_id, thread.id);
  assert.equal(sent.context_events[0].displayIndex, 4);

  // A tool is called for it.
  const started = await one(anna, 'start_tool_event', {
    session_id: DAY, thread_id: thread.id, tool_name: 'search_timeline', tool_call_id: 'call_1',
    arguments: JSON.stringify({ query: 'build', limit: 25 }),
  });
  assert.deepEqual([started.status, started.completed_at], ['pending', null]);
  const executing = await one(anna, 'progress_tool_event', { tool_event_id: started.id });
  assert.equal(executing.status, 'executing');
  const finish = { tool_event_id: started.id, status: 'succeeded', result: JSON.stringify(['Makefile', 3, null]) };
  const finished = await one(anna, 'finish_tool_event', finish);
  assert.deepEqual(finished.result, ['Makefile', 3, null]);
  assert.equal(finished.latency_ms, finished.completed_at - finished.started_at);
  assert.deepEqual(await one(anna, 'finish_tool_event', finish), finished);
  await refused('SB422', call(anna, 'finish_tool_event', { tool_event_id: started.id, status: 'failed', error: 'no' }));
  await refused('SB422', call(anna, 'progress_tool_event', { tool_event_id: started.id }));
  const failing = await one(anna, 'start_tool_event', { session_id: DAY, tool_name: 'search_repo', status: 'executing' });
  await one(anna, 'finish_tool_event', { tool_event_id: failing.id, status: 'failed', error: 'no such folder' });
  assert.deepEqual(
    (await many(anna, 'list_tool_events', { session_id: DAY })).map(({ tool_name: tool, status }) => [tool, status]),
    [['search_timeline', 'succeeded'], ['search_repo', 'failed']],
  );

  // The answer and its thread in one transaction; one that fails leaves neither.
  const answer = { session_id: DAY, thread_id: thread.id, role: 'assistant', content: 'A test was renamed. '.repeat(30) };
  await assert.rejects(transaction(anna, async (callHere) => {
    await callHere('append_message', answer);
    await callHere('rename_thread', { thread_id: thread.id, title: 'The build' });
    throw new Error('the process gives up');
  }));
  assert.equal((await one(anna, 'get_thread', { thread_id: thread.id })).message_count, 1);
  const answered = await transaction(anna, async (callHere) => {
    const [message] = await callHere('append_message', answer);
    const [renamed] = await callHere('rename_thread', { thread_id: thread.id, title: 'The build' });
    assert.equal(message.txid, renamed.txid);
    return message;
  });
  count('calls', 2);
  const after = await one(anna, 'get_thread', { thread_id: thread.id });
  assert.deepEqual([after.title, after.message_count, after.last_message_preview], ['The build', 2, answer.content.slice(0, 280)]);
  assert.deepEqual(after.last_message_at, answered.created_at);

  // The answer is mended in two tabs; the second one is told.
  const mended = await one(anna, 'update_message', {
    message_id: answered.id, content: 'A test was renamed.', expected_row_version: answered.row_version,
    evidence: JSON.stringify([{ path: 'Makefile', severity: 'low' }]),
  });
  assert.deepEqual([mended.content, mended.evidence[0].path], ['A test was renamed.', 'Makefile']);
  await refused('SB409', call(anna, 'update_message', {
    message_id: answered.id, content: 'No.', expected_row_version: answered.row_version,
  }));
  assert.equal((await one(anna, 'get_thread', { thread_id: thread.id })).last_message_preview, 'A test was renamed.');
  await refused('22021', call(anna, 'update_message', { message_id: answered.id, content: 'a\u0000b' }));
  await refused('22P02', call(anna, 'update_message', { message_id: answered.id, evidence: ['not stringified'] }));
  return 2;
}

// Calls through a line that is cut in the middle, as often as it takes.
async function lostConnection(thread, written) {
  const server = await cuttingProxy();
  const throughIt = new pg.Pool({ host: '127.0.0.1', port: server.port, max: 1 });
  throughIt.on('error', () => {});
  const append = async (content, client_message_id) => {
    const client = await throughIt.connect();
    client.on('error', () => {});
    try {
      await client.query('begin; set local role app_user');
      await client.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify({ sub: anna })]);
      await client.query(
        'select * from api.append_message(session_id => $1, thread_id => $2, role => $3, content => $4, client_message_id => $5)',
        [DAY, thread.id, 'user', content, client_message_id],
      );
      await server.beforeCommit();
      await client.query('commit');
    } finally {
      client.release(true);
    }
  };
  for (const when of ['before', 'after']) {
    // before: the commit never arrives; after: it is done, and its answer never arrives.
    const client_message_id = randomUUID();
    server.cut = when;
    const lost = await append('Can it be mended?', client_message_id).then(() => null, (error) => error);
    assert.ok(lost && mayPass(lost), `${when}: ${lost?.code} ${lost?.message}`);
    count('connections lost');
    const committed = when === 'after' ? 1 : 0;
    assert.equal((await one(anna, 'get_thread', { thread_id: thread.id })).message_count, written + committed, when);
    const [there] = await callAgain(anna, 'append_message', {
      session_id: DAY, thread_id: thread.id, role: 'user', content: 'Can it be mended?', client_message_id,
    });
    assert.equal(there.client_message_id, client_message_id);
    written += 1;
    assert.equal((await one(anna, 'get_thread', { thread_id: thread.id })).message_count, written, when);
  }
  await throughIt.end();
  server.close();

  // The server ends connections of the pool; callAgain takes another.
  const [{ pid }] = (await pool.query('select pg_backend_pid() as pid')).rows;
  await pool.query('select pg_terminate_backend($1)', [pid]).catch((error) => assert.ok(mayPass(error)));
  count('connections lost');
  const [same] = await callAgain(anna, 'get_thread', { thread_id: thread.id });
  assert.equal(same.message_count, written);
  return written;
}

// Between a client and Postgres: cuts the line instead of passing the commit on, or instead of passing its answer back.
async function cuttingProxy() {
  const state = { cut: null, port: 0, armed: false };
  const server = net.createServer((client) => {
    const { PGHOST: host, PGPORT: port } = process.env;
    const behind = host.startsWith('/') ? net.connect(`${host}/.s.PGSQL.${port}`) : net.connect(Number(port), host);
    const end = () => { client.destroy(); behind.destroy(); };
    client.on('data', (bytes) => {
      if (state.armed && state.cut === 'before') end(); else behind.write(bytes);
    });
    behind.on('data', (bytes) => {
      if (state.armed && state.cut === 'after') end(); else client.write(bytes);
    });
    for (const socket of [client, behind]) socket.on('error', end).on('close', end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  state.port = server.address().port;
  state.beforeCommit = async () => { state.armed = true; };
  state.close = () => server.close();
  // A new connection starts whole.
  server.prependListener('connection', () => { state.armed = false; });
  return state;
}

async function threads(first) {
  const second = await one(anna, 'start_thread', { session_id: DAY });
  assert.equal(second.title, 'Session Coach');
  const third = await one(anna, 'start_thread', { session_id: DAY, mode: 'general' });
  assert.deepEqual([third.title, third.mode], ['General', 'general']);
  const statuses = async () => Object.fromEntries(
    (await many(anna, 'list_threads', { session_id: DAY })).map(({ id, status }) => [id, status]),
  );
  assert.deepEqual(await statuses(), { [first.id]: 'archived', [second.id]: 'active', [third.id]: 'active' });
  await one(anna, 'activate_thread', { thread_id: first.id });
  assert.deepEqual(await statuses(), { [first.id]: 'active', [second.id]: 'archived', [third.id]: 'active' });
  const archived = await one(anna, 'archive_thread', { thread_id: third.id });
  await refused('SB409', call(anna, 'rename_thread', {
    thread_id: third.id, title: 'Mine', expected_row_version: archived.row_version - 1,
  }));
  const newest = await one(anna, 'get_active_thread', { session_id: DAY, mode: 'general' });
  assert.equal(newest.title, 'General #2');

  // Recently changed first, one at a time.
  const listed = [];
  for (let after; ;) {
    const page = await many(anna, 'list_threads', { session_id: DAY, after, page_size: 1 });
    if (!page.length) break;
    listed.push(page[0].id);
    after = page[0].cursor;
  }
  assert.deepEqual(listed, (await many(anna, 'list_threads', { session_id: DAY })).map(({ id }) => id));
  assert.equal(listed.length, 4);

  await one(anna, 'remove_thread', { thread_id: second.id });
  await refused('SB404', call(anna, 'remove_thread', { thread_id: second.id }));
  assert.deepEqual(await many(anna, 'get_thread', { thread_id: second.id }), []);
  const cleared = await many(anna, 'clear_threads', { session_id: DAY, mode: 'general' });
  assert.deepEqual(new Set(cleared.map(({ id }) => id)), new Set([third.id, newest.id]));
  return first;
}

async function pages(thread, written) {
  for (let number = 0; number < 25; number += 1) {
    await one(anna, 'append_message', {
      session_id: DAY, thread_id: thread.id, role: number % 2 ? 'assistant' : 'user', content: `Message ${number}`,
      client_message_id: `page-${number}`,
    });
  }
  const all = await many(anna, 'list_messages', { session_id: DAY, mode: 'session', thread_id: thread.id, page_size: 1000 });
  assert.equal(all.length, written + 25);
  assert.ok(all.every((message, place) => place === 0 || all[place - 1].created_at < message.created_at));
  const ids = all.map(({ id }) => id);

  const forth = [];
  for (let after_id; ;) {
    const page = await many(anna, 'list_thread_messages', { thread_id: thread.id, after_id, page_size: 7 });
    if (!page.length) break;
    forth.push(...page.map(({ id }) => id));
    after_id = page.at(-1).id;
    count('pages');
  }
  assert.deepEqual(forth, ids);

  const back = [];
  for (let page = await many(anna, 'list_thread_messages', { thread_id: thread.id, newest: true, page_size: 7 }); page.length;) {
    back.unshift(...page.map(({ id }) => id));
    count('pages');
    page = await many(anna, 'list_thread_messages', { thread_id: thread.id, before_id: page[0].id, page_size: 7 });
  }
  assert.deepEqual(back, ids);
  assert.deepEqual((await one(anna, 'get_message', { message_id: ids[0] })), all[0]);
  await refused('22023', call(anna, 'list_thread_messages', { thread_id: thread.id, page_size: 1001 }));
  await refused('SB404', call(anna, 'list_thread_messages', { thread_id: thread.id, after_id: 'chat_gone' }));
  return all;
}

async function desk() {
  const build = await one(anna, 'add_todo', { body: 'Look at the build' });
  const ofDay = await one(anna, 'add_todo', { body: 'Answer Ben', session_id: DAY });
  await refused('23514', call(anna, 'add_todo', { body: '  ' }));
  const finished = await one(anna, 'update_todo', { todo_id: build.id, completed: true });
  assert.deepEqual([finished.body, finished.completed], ['Look at the build', true]);
  assert.deepEqual((await many(anna, 'list_todos', { completed: true })).map(({ id }) => id), [build.id]);
  assert.deepEqual((await many(anna, 'list_todos', { session_id: DAY })).map(({ id }) => id), [ofDay.id]);
  await one(anna, 'remove_todo', { todo_id: build.id });
  assert.deepEqual(await many(anna, 'list_todos'), []);

  const broken = await one(anna, 'report_misalignment', {
    session_id: DAY, rule_id: 'AGENTS-4', title: 'Applied migrations stay', summary: 'One was edited.', severity: 'high',
    event_range: JSON.stringify({ startIndex: 3, endIndex: 9 }), evidence: JSON.stringify([{ message: '0012 was changed' }]),
  });
  assert.deepEqual([broken.status, broken.event_range.endIndex, broken.evidence.length], ['open', 9, 1]);
  for (const status of ['acknowledged', 'dismissed', 'acknowledged', 'open']) {
    assert.equal((await one(anna, 'move_misalignment', { misalignment_id: broken.id, status })).status, status);
  }
  await refused('SB422', call(anna, 'move_misalignment', { misalignment_id: broken.id, status: 'forgotten' }));
  assert.deepEqual((await many(anna, 'list_misalignments', { session_id: DAY, status: 'open' })).map(({ id }) => id), [broken.id]);

  const content = 'drop table tides';
  const decision = await one(anna, 'record_hook_decision', {
    session_id: DAY, source: 'manual', content_hash: createHash('sha256').update(content).digest('hex'), severity: 'high',
    blocked: true, rules: JSON.stringify([{ id: 'AGENTS-4', severity: 'high' }]), message: 'Not sent.',
    annotations: JSON.stringify('**Not** sent.'),
  });
  assert.deepEqual([decision.blocked, decision.annotations, decision.rules[0].id], [true, '**Not** sent.', 'AGENTS-4']);
  assert.deepEqual((await many(anna, 'list_hook_decisions', { session_id: DAY })).map(({ id }) => id), [decision.id]);
}

async function uploads() {
  // Lines of a log: long enough for several chunks, and with what no text column holds.
  const line = (number) => `${JSON.stringify({ type: 'response_item', number, text: `ü🌊\u0000 ${'x'.repeat(number % 400)}` })}\n`;
  const log = Buffer.concat(Array.from({ length: 14000 }, (_, number) => Buffer.from(line(number))));
  const odd = Buffer.concat([Buffer.from([0, 255, 13, 10]), randomBytes(70_000), Buffer.from([0])]);
  const pieces = (bytes) => Readable.from(Array.from(
    { length: Math.ceil(bytes.length / 60_007) }, (_, place) => bytes.subarray(place * 60_007, (place + 1) * 60_007),
  ));
  const back = async (id) => {
    const read = [];
    for await (const piece of readUpload(anna, id)) read.push(piece);
    return Buffer.concat(read);
  };

  const stored = await storeUpload(anna, pieces(log), { original_name: 'day.jsonl', session_id: DAY, origin: 'codex' });
  count('bytes stored', log.length);
  assert.deepEqual([stored.size_bytes, stored.source, stored.charset], [log.length, 'upload', 'utf-8']);
  assert.ok((await back(stored.id)).equals(log));
  for (const bytes of [odd, Buffer.alloc(0)]) {
    const other = await storeUpload(anna, pieces(bytes), { original_name: 'odd.bin' });
    assert.ok((await back(other.id)).equals(bytes));
    count('bytes stored', bytes.length);
  }

  // The log has grown: the same upload, and only its tail is sent.
  const grown = Buffer.concat([log, Buffer.from(line(14001))]);
  await one(anna, 'replace_upload_content', { upload_id: stored.id, ...await putContent(anna, pieces(grown)) });
  assert.ok((await back(stored.id)).equals(grown));
  assert.deepEqual((await many(anna, 'list_uploads', { session_id: DAY })).map(({ id }) => id), [stored.id]);
  assert.equal((await many(anna, 'list_uploads')).length, 3);
  await refused('SB404', call(anna, 'read_upload', { upload_id: 'upload_gone' }));
  return stored;
}

async function sharing(thread, log) {
  const theirs = { account_id: anna };
  const say = { session_id: DAY, thread_id: thread.id, role: 'user', content: 'Hello', client_message_id: 'ben-1', ...theirs };
  assert.deepEqual(await many(ben, 'get_session', { session_id: DAY, ...theirs }), []);
  await refused('SB404', call(ben, 'append_message', say));
  const member = await one(anna, 'share_session', { session_id: DAY, member_account_id: ben, role: 'viewer' });
  const [listed] = await many(ben, 'list_sessions');
  assert.deepEqual([listed.id, listed.account_id, listed.role], [DAY, anna, 'viewer']);
  assert.equal((await many(ben, 'list_thread_messages', { thread_id: thread.id, newest: true, page_size: 5, ...theirs })).length, 5);
  await refused('42501', call(ben, 'append_message', say));
  await refused('42501', call(ben, 'read_upload', { upload_id: log.id, ...theirs }));

  await one(anna, 'share_session', {
    session_id: DAY, member_account_id: ben, role: 'editor', expected_row_version: member.row_version,
  });
  const said = await one(ben, 'append_message', say);
  assert.deepEqual([said.account_id, said.author_account_id], [anna, ben]);
  const heard = await many(anna, 'list_thread_messages', { thread_id: thread.id, newest: true, page_size: 1 });
  assert.deepEqual(heard.map(({ id }) => id), [said.id]);
  await refused('42501', call(ben, 'share_session', { session_id: DAY, member_account_id: randomUUID(), role: 'viewer', ...theirs }));
  await one(anna, 'unshare_session', { session_id: DAY, member_account_id: ben });
  assert.deepEqual(await many(ben, 'list_sessions'), []);
  await refused('28000', call(randomUUID(), 'open_session', { session_id: DAY }));
}

async function evening(thread) {
  const emptied = await one(anna, 'delete_thread_messages', { thread_id: thread.id });
  assert.deepEqual([emptied.message_count, emptied.last_message_preview, emptied.last_message_at], [0, null, null]);
  await one(anna, 'unbind_repo', { session_id: DAY });
  await one(anna, 'remove_ui_settings', { profile_id: 'anna' });
  assert.deepEqual(await many(anna, 'list_ui_settings'), []);
  assert.deepEqual((await many(anna, 'list_sessions', { page_size: 1 })).length, 1);
}

try {
  const first = await morning();
  const written = await lostConnection(first, await chat(first));
  const thread = await threads(first);
  const all = await pages(thread, written);
  await desk();
  await sharing(thread, await uploads());
  await evening(thread);
  console.log(JSON.stringify({ ...done, messages: all.length + 1 }));
} catch (error) {
  console.error(error.stack);
  process.exitCode = 1;
} finally {
  await pool.end();
}
