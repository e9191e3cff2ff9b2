//! Portcullis: a transparent SMTP proxy. It stands in front of a mail server (the *downstream*), speaks SMTP
//! with the world, and hands on what is correct SMTP, for recipients that are ours, from clients that keep to the
//! limits and rules, with nothing in it that scanners or rules object to. It keeps no queue by default: the client hears
//! 250 to a message after the downstream said 250, or after the message is durable in the vault (quarantine, holds, spool).
//!
//! This page is the architecture. The README is for those who run it.
//!
//! # Floors
//!
//! A functional core in an I/O shell. Protocol and policy are values in, values out; sockets, clocks and files
//! live in a thin driver above them. Imports go down only, and there are no circles, also not between the files
//! of one module; the architecture test holds us to it.
//!
//! ```text
//! floor 5   commands   cli                     one file a command
//!                      control                 the local socket between commands and the running gateway
//! floor 4b  gateway    gateway                 listeners, sessions, transactions, reload, watch, drain, audit
//! floor 4a  operations desk                    release, delete, retention, judging again, delivering what waits
//!                      inspect                 a message looked at as a whole: scanners, its sender, the walk
//! floor 3b  services   scan   downstream       each owns one kind of I/O, none imports the other
//!                      lookup                  names in DNS, DNS lists, the country database
//!                      records                 what sessions and messages were: for explain, top, loops
//!                      vault                   messages that we own: quarantine, holds, spool; journal, files, index
//!                      limits                  connections, rates, bans, throttles, greylisting
//! floor 3a  stores     body                    a message in session: memory, then a sealed file
//!                      store                   state directory, lock, references, whole-or-nothing files
//! ------------------------------------------------------------- below: no tokio, socket, clock or log
//! floor 2   policy     authentication          SPF, DKIM, DMARC, ARC over what is known of DNS
//!                      content                 one walk through a message: attachments, signatures, score
//!                      checks                  facts and policy in, findings out
//!                      config                  rules/*.toml and lists to a typed policy (only `load` reads)
//!                      query                   the language in which commands pick messages
//!                      rules                   lists and matchers: networks, domains, patterns
//! floor 1   protocol   smtp   message          framing, commands, data, two machines; every reading of a message
//! floor 0   words      verdict                 facts, findings, verdicts, dispositions
//!                      reply                   replies and the catalogue of all our texts
//!                      mail                    domains, mailboxes, paths, references, dates
//! ```
//!
//! # The way of one message
//!
//! 1. **The door**, `gateway::listener`: a place among `max_connections` or 421; the client is counted by
//!    [`limits::Limits`], and where nothing has to be looked up, stage Connect is judged here (`gateway::standing`):
//!    limits, bans and blocked addresses are refused before there is a task. Then a [`gateway::Session`] in a task of
//!    its own, under the newest [`gateway::Generation`].
//! 2. **PROXY**, `gateway::hello` with [`smtp::proxy`]: a listed balancer begins with its header, and the
//!    session's client is the one that it names; every list sees that address.
//! 3. **TLS**, `gateway::connection` with [`gateway::ServerTls`]: now on an implicit listener, after STARTTLS on
//!    others. What arrived before the handshake is thrown away by [`smtp::server`].
//! 4. **Greeting**, `gateway::hello`: what stage Connect needs of DNS is gathered and the stage judged, unless that was
//!    done at the door (behind a balancer it never is: the client is counted when it is known). Who never delivered here
//!    waits `[greeting] delay`, and is an early talker if it speaks. Then our greeting; the downstream hears nothing yet.
//! 5. **EHLO**, `gateway::hello` with [`smtp::extension::mirror`]: what the healthy addresses of the downstream
//!    offered last ([`downstream::Pool`] remembers), less what the gateway cannot carry, less what the admin
//!    hides or a rule hides from this client. Stage Helo is judged. AUTH (`gateway::auth`) opens the downstream
//!    session, which is then this client's alone.
//! 6. **MAIL and RCPT**, `gateway::envelope`: [`smtp::server::Server`] hands out a pipelined group; each command
//!    is judged by `gateway::parameters` and by the [`checks`] of its stage. `gateway::gather` first finds out what
//!    [`checks::needs`] names ([`lookup`], [`limits`]), each with a deadline; what is not there in time is unknown, never
//!    a listing. A refusal that is found before it is to be said (`answer_at`, by default RCPT) is *pending*: MAIL hears
//!    250 from us without a downstream session, and each RCPT the refusal, but for exempt recipients and those of an
//!    allow list, for whom the session is opened then. What we refuse we answer; the rest
//!    goes down in one write, on a session of [`downstream::Pool::begin`] that has been told who the client is
//!    (XCLIENT, XFORWARD or PROXY), and the replies come back as they are, in the client's order. From MAIL to
//!    the final reply one `Transaction` keeps one generation of the policy.
//! 7. **DATA or BDAT**, `gateway::data`: 354 is ours. [`smtp::data`] finds the one true end; the octets go into a
//!    [`body::BodyWriter`] and past [`message::header::HeaderScan`]. Meanwhile NOOP keeps the downstream session
//!    alive; if it dies all the same, `gateway::recover` says the envelope again on a fresh one, once, and every
//!    accepted line must be accepted again.
//! 8. **Judged**, `gateway::end_of_data`. [`inspect`] looks at the message: scanners ([`scan::scan`], all at once
//!    under one deadline; what no answer means says [`config::model::Lane`]) and what the sender can prove
//!    ([`authentication`], driven by [`lookup`]) at the same time, then one walk ([`content::analyse`]) on the blocking
//!    pool, where never more messages are loaded than there are cores; what scanners cannot see in the message as a whole
//!    they get once more, and what is left of it where rules take parts out ([`inspect::Left`]). With the checks of stage Message ([`checks::run`]) that gives [`verdict::Finding`]s; for each
//!    group of recipients (`gateway::party`: by policy, and by what was found at RCPT) those that count for it,
//!    [`verdict::merge()`] takes the strongest, and it becomes the [`verdict::Disposition`]. Where groups end
//!    differently, `gateway::mixed` keeps the order of promise P1.
//!    Where a rule says quarantine or discard, `gateway::keep` makes an item of it ([`vault::Vault::put`]), and 250 is said
//!    after [`vault::Pending::commit`]: it is durable, and the downstream's session is reset. What is held [`desk`] judges
//!    again in the same way, when its time has come.
//! 9. **Delivered**, [`downstream::Session::deliver`]: our `Received:` header ([`message::trace`]), the fields of
//!    [`content::dress()`] and the body (as rules of attachments and policies change it, [`message::edit`]), by
//!    BDAT or DATA, inside the budget `after_data`. Right before the end of data the client must still be there.
//!    Then the downstream has `downstream_data_reply` for its answer.
//! 10. **Answered**: the downstream's reply as it came, or ours from [`reply::catalogue`] with its reference. If nothing
//!     about the downstream session was special, it waits a moment for the next message of the same client
//!     (`gateway::park`); then it is reset and rests in the pool for transactions of the same listener and
//!     generation.
//! 11. **Audited**, [`gateway::audit`]: one line for the message, and at the session's end one for the connection. The
//!     same lines, with the facts that were gathered, are the [`records`]. Outcomes are logged nowhere else.
//!
//! # Who owns which state
//!
//! | state | owner |
//! |---|---|
//! | the generation in force, counters, open sessions, budgets, audit log, phase of life | [`gateway::Gateway`], one in a process |
//! | policy, certificates, pools by one reading of the rules; immutable | [`gateway::Generation`] |
//! | the client's stream, its machine, who it is, its counts | [`gateway::Session`] |
//! | envelope, findings, times, the downstream session in use | `gateway::transaction::Transaction`, at most one in a session |
//! | order of commands, what the stream is at this octet | [`smtp::server::Server`], [`smtp::client::Client`] |
//! | questions to name servers, their answers, the country database | [`lookup::Lookup`] |
//! | connections at rest, health of addresses, what they offered | [`downstream::Pool`] |
//! | connections and rates of addresses, bans and their points, throttles, greylisting, known clients | [`limits::Limits`], one in a process; bans and greylisting are on disk too |
//! | what is known of a client and held against it: permits, facts, findings, a pending refusal | `gateway::standing`, one in a session |
//! | records, transcripts, counts for `top` and `loops` | [`records`], one thread; sessions never wait for it |
//! | the rule files of earlier generations | `gateway::history`, in the state directory |
//! | block and allow lists | the files in `lists/`; in memory, immutable, in the policy of a generation |
//! | messages that we own, what happened to them, and what is still to be done with them | [`vault::Vault`], two threads; [`desk::Desk`] decides, commands ask it |
//! | deliveries that a full disk keeps from being noted | [`desk::Desk`], in memory, with the claim on the message |
//! | connections to scanning engines, their health, places among scans, results remembered | [`scan::Scanners`], kept over a reload for those whose rules stay |
//! | which scanners an admin switched off | [`scan::Switches`], one in a process, on disk too |
//! | octets of a message and their share of the budget | [`body::Body`]; dropping it gives the share back |
//! | key, counter of references, lock, control socket, temporary files | the state directory, [`store::StateDir`] |
//!
//! There are no mutable statics. Traits are few: [`checks::Check`], [`scan::Scanner`], and [`downstream::Dial`], by
//! which tests put a pipe where the network would be.
//!
//! # Promises
//!
//! The README names the test of each.
//!
//! - P1 250 to a message only after the downstream's 2yz, or when it is durable in the vault.
//! - P2 What goes down is what came, octet by octet, below our own headers, but for what a rule changes and fields that
//!   were forged in our name.
//! - P3 CRLF.CRLF is the end of data and nothing else is; where the input is split does not matter.
//! - P4 A check or scanner that panics, is late or answers nonsense is an error, never a pass.
//! - P5 Everything is bounded, and beyond each bound there is a defined answer.
//! - P6 Every await on the outside has a deadline.
//! - P7 One transaction sees one generation of the policy; a bad reload changes nothing.
//! - P8 Peers learn nothing of rules, scanners, files or errors from us.
//! - P9 It is no open relay, whatever stands behind it.
//! - P10 It survives kill -9, full disks, dead and slow peers, and resumes by itself.
//! - P11 Messages at rest are sealed.
//! - P12 No temporary trouble becomes 5yz, no permanent refusal 4yz.
//!
//! # Failure
//!
//! Where the client's stream can no longer be trusted, its session ends and nothing that follows is read as a
//! command. Where the downstream's stream can no longer be trusted (a reply that nobody awaits, or that does not
//! parse), that session ends, and no reply is ever taken for another command's. A downstream that fails is 451, or
//! 421 where the client's credentials lived in the lost session; its honest 5yz passes as it is. If it is lost after
//! the end of data the client hears a temporary refusal and the audit line says that the message may be delivered
//! twice. Running out of memory or disk for bodies is 452. An audit log that cannot be written keeps its lines,
//! and beyond a bound costs some, which `status` counts; never a message. A reload with any mistake keeps the old generation. A panic ends the session
//! in which it happens; in a check or scanner it is caught and is a temporary refusal of that message.
//!
//! # What is deliberately absent
//!
//! No queue unless the admin asks for one (`on_outage`), and no bounces to senders that nobody vouches for. No
//! learning: a refusal has one check, rule or threshold that decided, and `explain` names it. No limits shared between
//! machines. No rewriting of addresses or client lines; the edits are `AUTH=<>` for an identity that nobody proved, and SIZE left out where the downstream
//! does not know it, and the angle brackets of a path that came without, where the policy takes it. No way to a downstream
//! is looked up in DNS. No parser of somebody else's decides where a line, a message or a
//! reply ends. No `unsafe`. No milters and no ICAP among the scanners.

pub mod mail;
pub mod reply;
pub mod verdict;

pub mod message;
pub mod smtp;

pub mod authentication;
pub mod checks;
pub mod config;
pub mod content;
pub mod query;
pub mod rules;

pub mod body;
pub mod store;

pub mod downstream;
pub mod limits;
pub mod lookup;
pub mod records;
pub mod scan;
pub mod vault;

pub mod inspect;

pub mod desk;
pub mod gateway;

pub mod control;

pub mod cli;
