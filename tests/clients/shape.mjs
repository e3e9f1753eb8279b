// Follows a shape with Electric's own client.
import { Shape, ShapeStream } from "@electric-sql/client";
import { obey, options, say, sayRows } from "./program.mjs";

const stream = new ShapeStream(options);
stream.subscribe((messages) => {
  for (const { headers } of messages) {
    if (headers.control === "must-refetch") {
      say({ refetched: true });
    }
    for (const txid of headers.txids ?? []) {
      say({ txid });
    }
  }
});
new Shape(stream).subscribe(({ rows }) => sayRows(rows));
obey();
