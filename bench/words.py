"""What the messages of a made-up viewer say, in several scripts."""

from random import Random

_SENTENCES = (
    "The build broke between event 41 and event 57, when the lock file was written twice.",
    "Please show me the first event in which the agent touched src/routes/index.tsx.",
    'It says "permission denied", yet the folder belongs to the same user as before.',
    "I would put the check into the loader, so that the page never renders without its data.",
    "Run the tests once more, this time with one worker, and compare both logs line by line.\n",
    "\tconst rows = await read(path)\n\treturn rows.filter((row) => row.status !== 'archived')\n",
    "The pattern ^\\d{4}-\\d{2}$ matches the month only; a day behind it is silently dropped.",
    "Rule 7 forbids network calls in a reducer, and event 112 makes one through a helper.",
    "Größere Änderungen gehören in einen eigenen Zweig, sonst sieht man später nichts mehr.",
    "L'événement précédent montre déjà l'erreur, mais elle n'est signalée qu'à la fin.",
    "¿Por qué se repite la misma llamada tres veces antes de que el agente se detenga?",
    "Журнал обрывается на середине строки, поэтому последнее событие прочитать нельзя.",
    "Γράφτηκε δύο φορές μέσα στο ίδιο δευτερόλεπτο, από δύο διεργασίες.",
    "会话在第三十二个事件之后停止了,因为工具没有返回任何结果。",
    "同じファイルを二つの処理が書き換えたため、最後の変更だけが残りました。",
    "이 규칙은 테스트 폴더에는 적용되지 않으므로 경고를 무시해도 됩니다.",
    "الجلسة انتهت قبل أن يكتب الوكيل ملخص التغييرات الأخيرة.",
    "यह संदेश दो बार भेजा गया था, लेकिन सूची में केवल एक बार दिखता है।",
    "Good catch 🎯, that is the commit I meant; the fix is one line ✅ and a test 🧪.",
    "THOUGHT: the summary disagrees with the log, so I read the log again from its beginning.",
)

_TOOLS = ("read_event", "search_log", "list_files", "run_check", "open_diff")
_EVENT_TYPES = ("message", "function_call", "function_call_output", "reasoning", "local_shell_call")
_SEVERITIES = ("info", "low", "medium", "high", "critical")


def content(chance: Random) -> str:
    """Return what a message says: from a line to several kilobytes, most of it shorter."""
    count = min(40, 1 + int(chance.expovariate(1 / 8)))
    return f"{chance.randrange(10_000)}. " + " ".join(chance.choices(_SENTENCES, k=count))


def evidence(chance: Random) -> list[dict[str, object]]:
    """Return a message's evidence: one to three findings."""
    return [
        {
            "path": f"src/part-{chance.randrange(400)}/view.tsx",
            "ruleId": f"rule-{chance.randrange(40)}",
            "snippet": chance.choice(_SENTENCES),
            "severity": chance.choice(_SEVERITIES),
        }
        for _ in range(chance.randrange(1, 4))
    ]


def context_events(chance: Random) -> list[dict[str, object]]:
    """Return what a message refers to: one to four events of the session."""
    first = chance.randrange(5_000)
    return [
        {
            "eventIndex": index,
            "displayIndex": index + 1,
            "eventType": chance.choice(_EVENT_TYPES),
            "summary": chance.choice(_SENTENCES)[:60],
        }
        for index in range(first, first + chance.randrange(1, 5))
    ]


def tool_call(chance: Random) -> tuple[str, dict[str, object], dict[str, object]]:
    """Return a tool's name, what it was given and what it gives back."""
    index = chance.randrange(5_000)
    given: dict[str, object] = {"eventIndex": index, "query": chance.choice(_SENTENCES)[:40]}
    found = chance.choices(_SENTENCES, k=chance.randrange(1, 6))
    return chance.choice(_TOOLS), given, {"ok": True, "lines": found}
