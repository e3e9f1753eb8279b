// The rows that are followed, by shape: the columns that this page reads. docs/developer-guide.md has all, and what they mean.
// (Types and not interfaces: the collections want what has an index signature.)

export type Thread = {
  id: string;
  title: string;
  status: 'active' | 'archived';
  message_count: number;
  updated_at: Date;
};

export type Message = {
  id: string;
  role: 'system' | 'user' | 'assistant';
  content: string;
  client_message_id: string | null;
  author_account_id: string | null;
  created_at: Date;
};

export type ToolEvent = {
  id: string;
  tool_name: string;
  status: 'pending' | 'executing' | 'succeeded' | 'failed';
  arguments: unknown;
  result: unknown;
  error: string | null;
  started_at: Date;
  latency_ms: number | null;
};

export type Todo = {
  id: string;
  body: string;
  completed: boolean;
  created_at: Date;
};

export type TimelineEvent = {
  event_index: number;
  event_type: string;
  role: string | null;
  occurred_at: Date | null;
  name: string | null;
  body: string | null;
};

export type Upload = {
  id: string;
  original_name: string;
  size_bytes: number;
  stored_at: Date;
};

// A session as GET /v1/sessions lists it: one's own, and those that are shared with one.
export interface Session {
  session_id: string;
  owner: string;
  // What one may do there; owner also where somebody else's session is shared as that.
  role: 'owner' | 'editor' | 'viewer';
  updated_at: string;
}

export const mayWrite = (session: Session) => session.role !== 'viewer';
