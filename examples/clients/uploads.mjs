// Stores uploads and reads them back as streams, a few chunks in memory at a time.
import { createHash } from 'node:crypto';
import zlib from 'node:zlib';
import { call, callAgain } from './api.mjs';

// Chunks of one size: so a log that has grown shares all but its last one with what it was.
const CHUNK_BYTES = 1 << 20;
const AT_ONCE = 8;

const sha256Of = (bytes) => createHash('sha256').update(bytes).digest();

// stream: anything that gives Buffers; about: original_name and other arguments of api.store_upload.
export async function storeUpload(account, stream, about) {
  const [row] = await call(account, 'store_upload', { ...about, ...await putContent(account, stream) });
  return row;
}

// Stores the chunks that are not stored yet; gives what api.store_upload and api.replace_upload_content want to know.
export async function putContent(account, stream) {
  const whole = createHash('sha256');
  const text = new TextDecoder('utf-8', { fatal: true });
  const named = { sha256: undefined, size_bytes: 0, chunk_sha256s: [], charset: 'utf-8' };
  let held = [];
  const send = async () => {
    const bySha256 = new Map(held.map((chunk) => [sha256Of(chunk).toString('hex'), chunk]));
    const sha256s = held.map(sha256Of);
    const missing = await call(account, 'list_missing_upload_chunks', { sha256s });
    for (const { list_missing_upload_chunks: sha256 } of missing) {
      const chunk = bySha256.get(sha256.toString('hex'));
      await callAgain(account, 'put_upload_chunk', { sha256, size_bytes: chunk.length, ...packed(chunk) });
    }
    named.chunk_sha256s.push(...sha256s);
    held = [];
  };
  for await (const chunk of cut(stream)) {
    whole.update(chunk);
    named.size_bytes += chunk.length;
    named.charset = named.charset && isText(text, chunk) ? 'utf-8' : undefined;
    held.push(chunk);
    if (held.length === AT_ONCE) await send();
  }
  if (held.length) await send();
  return { ...named, sha256: whole.digest() };
}

// The content as Buffers, each checked before it is given: for await (const piece of readUpload(account, id)) response.write(piece)
export async function* readUpload(account, uploadId) {
  const [upload] = await callAgain(account, 'get_upload', { upload_id: uploadId });
  if (!upload) throw new Error(`there is no upload ${uploadId}`);
  const whole = createHash('sha256');
  let size = 0;
  for (let next = 0; size < upload.size_bytes;) {
    const parts = await callAgain(account, 'read_upload', {
      upload_id: uploadId, from_chunk: next, page_size: AT_ONCE, content_sha256: upload.content_sha256,
    });
    if (!parts.length) throw new Error(`upload ${uploadId} ends after ${size} of ${upload.size_bytes} bytes`);
    for (const part of parts) {
      const piece = unpacked(part);
      if (!sha256Of(piece).equals(part.sha256)) throw new Error(`a chunk of upload ${uploadId} is damaged`);
      whole.update(piece);
      size += piece.length;
      yield piece;
    }
    next += parts.length;
  }
  if (!whole.digest().equals(upload.content_sha256)) throw new Error(`upload ${uploadId} is damaged`);
}

async function* cut(stream) {
  let held = Buffer.alloc(0);
  for await (const block of stream) {
    held = Buffer.concat([held, block]);
    while (held.length >= CHUNK_BYTES) {
      yield held.subarray(0, CHUNK_BYTES);
      held = held.subarray(CHUNK_BYTES);
    }
  }
  if (held.length) yield held;
}

function isText(decoder, chunk) {
  try {
    decoder.decode(chunk, { stream: true });
    return !chunk.includes(0);
  } catch {
    return false;
  }
}

// zstd came with Node 22.15; an older one needs a package to read what others stored with it.
function packed(chunk) {
  const small = zlib.zstdCompressSync ? zlib.zstdCompressSync(chunk) : zlib.gzipSync(chunk);
  if (small.length >= chunk.length) return { encoding: 'identity', chunk };
  return { encoding: zlib.zstdCompressSync ? 'zstd' : 'gzip', chunk: small };
}

function unpacked({ encoding, chunk, size_bytes: size }) {
  const limit = { maxOutputLength: size };
  if (encoding === 'zstd') return zlib.zstdDecompressSync(chunk, limit);
  return encoding === 'gzip' ? zlib.gunzipSync(chunk, limit) : chunk;
}
