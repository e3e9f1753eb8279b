// What there is to do, ticked off at once and written behind the screen.
import { useLiveQuery } from '@tanstack/react-db';
import { useState } from 'react';
import { followTodos, type Todos } from './collections';
import { Follow, Loading } from './follow';
import { sentence } from './gatekeeper';
import { mayWrite, type Session } from './rows';

export const TodosView = ({ session }: { session: Session }) => (
  <Follow start={(refused) => followTodos(session, refused)}>{(todos) => <List session={session} todos={todos} />}</Follow>
);

function List({ session, todos }: { session: Session; todos: Todos }) {
  const [problem, setProblem] = useState<unknown>();
  const { data, isReady } = useLiveQuery((query) => query.from({ todo: todos }).orderBy(({ todo }) => todo.created_at), [todos]);
  if (!isReady) return <Loading />;
  if (data.length === 0) return <p className="quiet">There is nothing to do.</p>;

  const tick = (id: string, completed: boolean) => {
    setProblem(undefined);
    // If it is refused the tick goes back by itself.
    todos
      .update(id, (todo) => {
        todo.completed = completed;
      })
      .isPersisted.promise.catch(setProblem);
  };
  return (
    <section className="scroll" aria-label="Todos">
      {problem !== undefined && <p role="alert">{sentence(problem)}</p>}
      <ul className="todos">
        {data.map((todo) => (
          <li key={todo.id}>
            <label>
              <input
                type="checkbox"
                checked={todo.completed}
                disabled={!mayWrite(session)}
                onChange={(event) => tick(todo.id, event.target.checked)}
              />
              <span>{todo.body}</span>
            </label>
          </li>
        ))}
      </ul>
    </section>
  );
}
