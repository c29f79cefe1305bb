//! The scenarios that have a name: `scenario:<name>`, with settings as in a query,
//! `scenario:firehose?tokens=4000&rate=200`.

use std::{collections::HashMap, time::Duration};

use serde_json::json;

use crate::{
    conversation::{Conversation, Tool},
    demo::{fill, quote},
    turn::{Dialect, Pace, Refusal, Step, ToolCall, Turn, Usage},
};

/// Before the name of a scenario, in the name of a model.
pub const PREFIX: &str = "scenario:";

/// A scenario that has a name.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// For people, with the settings and what they are without being set.
    pub about: &'static str,
    turn: fn(&Asked<'_>) -> Turn,
}

struct Asked<'a> {
    conversation: &'a Conversation,
    settings: HashMap<String, String>,
    /// How often this scenario has been played with these settings.
    played: u64,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    scenario("text", "one sentence", |_| {
        Turn::text("This is a short answer, in one sentence.")
    }),
    scenario("echo", "what the person has said, as it is", |it| {
        Turn::text(it.conversation.question())
    }),
    scenario("markdown", "headings, lists, a table, code", |_| {
        Turn::text(MARKDOWN)
    }),
    scenario(
        "hostile",
        "HTML, scripts, links, control characters",
        |_| Turn::text(HOSTILE),
    ),
    scenario("reasoning", "thoughts before the answer", |_| {
        reasoned(Dialect::default())
    }),
    scenario("empty", "nothing, and the end", |_| Turn::of([])),
    scenario(
        "unicode",
        "many bytes to a character, torn (bytes=1)",
        |it| {
            Turn::text("Zażółć gęślą jaźń, 東京は今, 👩‍👩‍👧‍👦 и ещё: ﷽ — e\u{301}.").in_dialect(Dialect {
                write_bytes: Some(it.count("bytes", 1)),
                ..Dialect::default()
            })
        },
    ),
    scenario(
        "tool",
        "a tool call, then the answer (tool=, args=)",
        |it| it.after_rounds(1, |it| Turn::calls([it.call()])),
    ),
    scenario("parallel", "calls at once, then the answer (n=3)", |it| {
        it.after_rounds(1, |it| Turn::calls(it.several()))
    }),
    scenario(
        "interleaved",
        "as `parallel`, with mixed pieces (n=3)",
        |it| {
            it.calling_in(Dialect {
                interleaved_calls: true,
                ..Dialect::default()
            })
        },
    ),
    scenario(
        "whole-calls",
        "as `parallel`, each in one piece (n=3)",
        |it| {
            it.calling_in(Dialect {
                whole_calls: true,
                stop_after_calls: true,
                ..Dialect::default()
            })
        },
    ),
    scenario("no-ids", "as `parallel`, without ids (n=3)", |it| {
        it.calling_in(Dialect {
            no_ids: true,
            ..Dialect::default()
        })
    }),
    scenario(
        "rounds",
        "a call, again and again, then the answer (n=3)",
        |it| it.after_rounds(it.count("n", 3), |it| Turn::calls([it.call()])),
    ),
    scenario("loop", "a call, for ever", |it| Turn::calls([it.call()])),
    scenario("missing-tool", "a tool that is not there (n=1)", |it| {
        it.after_rounds(it.count("n", 1), |_| {
            Turn::calls([ToolCall::new("no_such_tool", json!({ "text": "x" }))])
        })
    }),
    scenario("wrong-arguments", "arguments that fit no schema", |it| {
        it.after_rounds(1, |it| {
            let wrong = json!({ "unexpected": [1, null, { "deep": true }] });
            Turn::calls([ToolCall::new(it.call().name, wrong)])
        })
    }),
    scenario("broken-arguments", "arguments that are not JSON", |it| {
        it.after_rounds(1, |it| {
            Turn::calls([ToolCall::raw(it.call().name, "{\"text\": \"never clo")])
        })
    }),
    scenario("huge-arguments", "long arguments (bytes=50000000)", |it| {
        it.after_rounds(1, |it| {
            let text = "x".repeat(it.count("bytes", 50_000_000));
            let call = ToolCall::new(it.call().name, json!({ "text": text }));
            Turn::calls([call]).at(Pace {
                piece_chars: 64 << 10,
                delay: Duration::ZERO,
            })
        })
    }),
    scenario("text-and-tool", "text, a call, and text after it", |it| {
        it.after_rounds(1, |it| {
            Turn::of([
                Step::Reasoning("A tool will know.".to_owned()),
                Step::Text("Let me look.".to_owned()),
                Step::Calls(vec![it.call()]),
            ])
        })
    }),
    scenario("slow", "a piece at a time (delay=500, in ms)", |it| {
        Turn::text(SLOW).at(Pace {
            piece_chars: 12,
            delay: Duration::from_millis(it.count("delay", 500) as u64),
        })
    }),
    scenario(
        "firehose",
        "tokens (tokens=4000, rate=200 in a second; 0: all at once)",
        firehose,
    ),
    scenario("stall", "half an answer, then nothing", |_| {
        Turn::of([Step::Text("This is half of an".to_owned()), Step::Stall])
    }),
    scenario("silent", "not even a status", |_| Turn::silence()),
    scenario("cut", "half an answer, then no connection", |_| {
        Turn::of([Step::Text("This is half of an".to_owned()), Step::Cut])
    }),
    scenario(
        "malformed",
        "an event that is not JSON, in the middle",
        |_| {
            Turn::of([
                Step::Text("Before it. ".to_owned()),
                Step::Malformed,
                Step::Text("After it.".to_owned()),
            ])
        },
    ),
    scenario("error", "an error object after half an answer", |_| {
        Turn::of([
            Step::Text("This is half of an".to_owned()),
            Step::Error("the model has crashed".to_owned()),
        ])
    }),
    scenario("length", "cut by the limit of tokens", |_| {
        Turn::of([
            Step::Text("This goes on and on and".to_owned()),
            Step::Finish("length".to_owned()),
        ])
    }),
    scenario(
        "unknown-finish",
        "an end for a reason that nobody knows",
        |_| {
            Turn::of([
                Step::Text("Something ended this.".to_owned()),
                Step::Finish("moon_phase".to_owned()),
            ])
        },
    ),
    scenario(
        "usage",
        "figures of what was used (prompt=1200, completion=34)",
        |it| {
            Turn::of([
                Step::Text("Counted.".to_owned()),
                Step::Usage(Usage {
                    prompt: it.count("prompt", 1200) as u64,
                    completion: it.count("completion", 34) as u64,
                }),
            ])
        },
    ),
    scenario(
        "dialect",
        "`reasoning`, early usage, CR LF, no `[DONE]`",
        |_| {
            reasoned(Dialect {
                reasoning_field: true,
                usage_with_finish: true,
                crlf: true,
                no_done: true,
                ..Dialect::default()
            })
        },
    ),
    scenario("unauthorized", "401", |_| Turn::refused(Refusal::Key)),
    scenario("missing-model", "404", |_| {
        Turn::refused(Refusal::ModelMissing)
    }),
    scenario(
        "rate-limited",
        "429 (after=2, in s; times=: then an answer)",
        |it| {
            let wait = it.count("after", 2) as u64;
            it.refused_at_first(Refusal::RateLimited(Some(wait)))
        },
    ),
    scenario("too-long", "400, the context is too long", |_| {
        Turn::refused(Refusal::ContextTooLong)
    }),
    scenario("no-tools", "400 when there are tools", |_| {
        Turn::refused(Refusal::NoTools)
    }),
    scenario(
        "failing",
        "500 (status=500; times=: then an answer)",
        |it| {
            let status = u16::try_from(it.count("status", 500)).unwrap_or(500);
            let status = status.clamp(500, 599);
            it.refused_at_first(Refusal::Failed(status, "the model has crashed".to_owned()))
        },
    ),
];

const fn scenario(
    name: &'static str,
    about: &'static str,
    turn: fn(&Asked<'_>) -> Turn,
) -> Scenario {
    Scenario { name, about, turn }
}

/// Returns the turn of a scenario, by its name and settings, if there is one.
pub(crate) fn turn(wanted: &str, conversation: &Conversation, played: u64) -> Option<Turn> {
    let (name, settings) = wanted.split_once('?').unwrap_or((wanted, ""));
    let settings = url::form_urlencoded::parse(settings.as_bytes());
    let asked = Asked {
        conversation,
        settings: settings.into_owned().collect(),
        played,
    };
    let scenario = SCENARIOS.iter().find(|it| it.name == name)?;
    Some((scenario.turn)(&asked))
}

/// Returns whether there is such a scenario, whatever its settings.
pub(crate) fn is_there(wanted: &str) -> bool {
    let name = wanted.split_once('?').map_or(wanted, |(name, _)| name);
    SCENARIOS.iter().any(|it| it.name == name)
}

impl Asked<'_> {
    fn count(&self, setting: &str, otherwise: usize) -> usize {
        let set = self.settings.get(setting);
        set.and_then(|it| it.parse().ok()).unwrap_or(otherwise)
    }

    /// Calls for so many rounds, then tells what the last of them said.
    fn after_rounds(&self, rounds: usize, call: impl Fn(&Self) -> Turn) -> Turn {
        if self.conversation.rounds() < rounds {
            return call(self);
        }
        let done = self.conversation.done();
        let calls = done.len();
        match done.last() {
            Some(last) => Turn::text(format!(
                "After {calls} calls, `{}` said:\n\n{}",
                last.call.name,
                quote(&last.text)
            )),
            None => Turn::text("There was no result."),
        }
    }

    /// Returns a call of the tool that is set, else of the first one, with arguments that fit it.
    fn call(&self) -> ToolCall {
        let tools = &self.conversation.tools;
        let set = self.settings.get("tool");
        let tool = match set {
            Some(set) => tools
                .iter()
                .find(|it| it.name == *set || it.own_name() == *set),
            None => tools.first(),
        };
        let otherwise = set.map_or("no_such_tool", String::as_str);
        let name = tool.map_or(otherwise, |it| it.name.as_str());
        match self.settings.get("args") {
            Some(arguments) => ToolCall::raw(name, arguments.as_str()),
            None => ToolCall::new(name, tool.map_or(json!({}), |it| self.fitting(it))),
        }
    }

    /// Returns calls of different tools, as far as there are different ones.
    fn several(&self) -> Vec<ToolCall> {
        let one = |index: usize| {
            let tools = &self.conversation.tools;
            let different = tools.get(index % tools.len().max(1));
            match different {
                Some(it) if !self.settings.contains_key("tool") => {
                    ToolCall::new(it.name.as_str(), self.fitting(it))
                }
                _ => self.call(),
            }
        };
        (0..self.count("n", 3)).map(one).collect()
    }

    fn calling_in(&self, dialect: Dialect) -> Turn {
        let turn = self.after_rounds(1, |it| Turn::calls(it.several()));
        turn.in_dialect(dialect)
    }

    fn fitting(&self, tool: &Tool) -> serde_json::Value {
        fill(&tool.schema, self.conversation.question())
    }

    /// Refuses as often as is set, or always.
    fn refused_at_first(&self, refusal: Refusal) -> Turn {
        let times = self.count("times", usize::MAX);
        if self.played < times as u64 {
            Turn::refused(refusal)
        } else {
            Turn::text("This time it worked.")
        }
    }
}

fn reasoned(dialect: Dialect) -> Turn {
    Turn::of([
        Step::Reasoning("The question is simple. ".to_owned()),
        Step::Reasoning("A short answer will do.".to_owned()),
        Step::Text("It is forty-two.".to_owned()),
    ])
    .in_dialect(dialect)
}

/// Each token is one piece: a word of four letters and what comes after it.
fn firehose(asked: &Asked<'_>) -> Turn {
    const WORDS: &[&str] = &[
        "many ", "more ", "word ", "with ", "each ", "some ", "**so** ", "then ", "`it` ",
        "goes\n", "over ", "here ", "and. ", "\n\n## ", "what ", "next ", "- on ", "rust ",
        "code ", "also\n",
    ];
    let (tokens, rate) = (asked.count("tokens", 4000), asked.count("rate", 200));
    let delay = match u32::try_from(rate) {
        Ok(rate @ 1..) => Duration::from_secs(1) / rate,
        _ => Duration::ZERO,
    };
    let token = |it: usize| Step::Text(WORDS[it % WORDS.len()].to_owned());
    let mut steps: Vec<Step> = (0..tokens).map(token).collect();
    steps.push(Step::Usage(Usage {
        prompt: asked.conversation.prompt_tokens(),
        completion: tokens as u64,
    }));
    Turn::of(steps).at(Pace {
        piece_chars: 12,
        delay,
    })
}

const SLOW: &str = "This answer takes its time, so that somebody can read along, stop it, reload \
    the page, or write the next message while it comes.";

const MARKDOWN: &str = r#"# A heading

A paragraph with **bold**, *italic*, ~~struck~~ and `code`, and a [link](https://example.com/).

## Lists

- one
  - one and a half
- two

1. first
2. second

- [x] done
- [ ] not done

## A table

| tool | what it does | calls |
|:-----|:------------:|------:|
| `echo` | says it again | 12 |
| `add` | adds \| sums | 3 |

## Code

```rust
fn main() {
    println!("{}", (1..=10).sum::<u32>());
}
```

```json
{ "name": "archestra", "list": [1, 2, 3] }
```

> A quotation,
> on two lines.

---

Inline math $a^2 + b^2 = c^2$, and a line  
that is broken.
"#;

const HOSTILE: &str = "Careful with this: <script>alert(1)</script> <img src=x onerror=alert(1)> \
    <svg onload=alert(1)></svg> <iframe src=\"https://example.com/\"></iframe>\n\n\
    ![an image](https://example.com/spy.png?text=secret) [a link](javascript:alert(1)) \
    [another](data:text/html;base64,PHNjcmlwdD4=) [a third](https://example.com/)\n\n\
    \u{1b}[31mred\u{1b}[0m \u{202e}desrever\u{202c} \u{200b}\u{e0041}hidden\u{7}\n\n\
    <style>body { display: none }</style><form action=\"https://example.com/\"><input></form>\n\n\
    ```html\n<b onclick=\"alert(1)\">code</b>\n```\n\n\
    |a|b|\n|-|-|\n|<u>x</u>|![](https://example.com/t.png)|\n";
