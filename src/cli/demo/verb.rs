//! The verb.

use super::sample::SAMPLES;
use super::stage::Stage;
use super::table::Row;
use crate::cli::exit::REFUSED;
use crate::cli::out::{self, Ink, Paint};
use crate::cli::{daemon, logging};
use crate::gateway::load_rules;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Options of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Where the gateway listens [default: 127.0.0.1:2525, or another port where that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Keep rules, mail and audit log in this folder, which must be new or empty [default: a temporary
    /// folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// End after the samples: 0 if all went as expected, else 2
    #[arg(long)]
    once: bool,
}

/// Runs the verb.
pub(in crate::cli) fn run(options: &Options) -> ExitCode {
    match play(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => REFUSED.into(),
        Err(error) => {
            complain!("portcullis: {error}");
            REFUSED.into()
        }
    }
}

/// Whether all samples went as expected; without `--once` that is shown, and the end is a good one.
fn play(options: &Options) -> Result<bool, Box<dyn Error>> {
    let (stage, behind) = Stage::set(options.listen, options.dir.as_deref())?;
    let (policy, problems) = load_rules(&stage.rules(), None);
    let Some(policy) = policy else {
        let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
        return Err(format!("the demo's rules have mistakes: {}", all.join("; ")).into());
    };
    logging::start(&policy.log);
    let paint = Paint::of_stdout();
    let daemon = daemon::prepare(policy, &stage.rules())?;
    let runtime = daemon::runtime()?;
    runtime.spawn(super::downstream::serve(behind, stage.mail()));
    let mut good = false;
    let once = options.once;
    let samples = async {
        out::print(&opening(&stage, paint));
        good = send_all(&stage, paint).await;
        if !once {
            out::print(&invitation(&stage, paint));
            std::future::pending().await
        }
    };
    daemon.serve(runtime, Box::pin(samples))?;
    out::print(&closing(&stage));
    Ok(good || !once)
}

fn opening(stage: &Stage, paint: Paint) -> String {
    format!(
        "{}\n  gateway      {}\n  mail server  {} (embedded; keeps mail in {})\n  rules        {}\n\n",
        paint.ink(Ink::Title, "Portcullis, tried out on this machine only"),
        stage.listen,
        stage.behind,
        stage.mail().display(),
        stage.rules().join("gateway.toml").display(),
    )
}

async fn send_all(stage: &Stage, paint: Paint) -> bool {
    let mut rows = Vec::new();
    for sample in SAMPLES {
        rows.push(Row { sample, result: super::sender::send(stage.listen, sample).await });
    }
    let references = super::table::references(&stage.audit()).await;
    out::print(&super::table::text(&rows, &references, paint));
    rows.iter().all(Row::as_expected)
}

fn invitation(stage: &Stage, paint: Paint) -> String {
    let (ip, port) = (stage.listen.ip(), stage.listen.port());
    let rules = stage.rules();
    let rules = rules.display();
    let program = std::env::args().next().unwrap_or_else(|| "portcullis".into());
    format!(
        "\n{}\n  \
         swaks --server {ip} --port {port} --from you@example.com --to alice@example.net --header 'Subject: my own mail' --body 'Hello!'\n\n\
         Any name at example.net is taken, unknown@example.net is refused by the mail server behind.\n\
         See what the gateway says of itself:   {program} status --rules {rules}\n\
         What it took and keeps in quarantine:  {program} quarantine list --rules {rules}\n\
         Change its rules and take them over:   {program} reload --rules {rules}\n\
         Every connection and message, as JSON: {}\n\
         Ctrl-C ends the demo.\n",
        paint.ink(Ink::Title, "Now send your own mail:"),
        stage.audit().display(),
    )
}

fn closing(stage: &Stage) -> String {
    let folder = stage.folder().display();
    if stage.is_kept() {
        format!("\nThe demo is over; mail, rules and audit log are in {folder}\n")
    } else {
        format!("\nThe demo is over; {folder} is removed (--dir keeps a folder of your own)\n")
    }
}
