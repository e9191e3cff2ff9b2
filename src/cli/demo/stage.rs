//! The demo's folder, its two addresses, and the shipped rules made fit for them.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// The rules that are shipped, as they are.
const SHIPPED: &str = include_str!("../../../rules/gateway.toml");
/// The shipped file that says what senders have to prove.
const CONTENT: &str = include_str!("../../../rules/content.toml");
/// What else is shipped, as it is.
const BESIDE: [(&str, &str); 10] = [
    ("limits.toml", include_str!("../../../rules/limits.toml")),
    ("protocol.toml", include_str!("../../../rules/protocol.toml")),
    ("quarantine.toml", include_str!("../../../rules/quarantine.toml")),
    ("scanners.toml", include_str!("../../../rules/scanners.toml")),
    ("attachments.toml", include_str!("../../../rules/attachments.toml")),
    ("policies.toml", include_str!("../../../rules/policies.toml")),
    ("lists/blocks.list", include_str!("../../../rules/lists/blocks.list")),
    ("lists/allow.list", include_str!("../../../rules/lists/allow.list")),
    ("signatures/test.yar", include_str!("../../../rules/signatures/test.yar")),
    ("signatures/local.sha256", include_str!("../../../rules/signatures/local.sha256")),
];
/// The folders that they lie in.
const FOLDERS: [&str; 2] = ["lists", "signatures"];
/// Where the gateway listens if that is free.
const PORT: u16 = 2525;

/// Where the demo takes place.
pub(super) struct Stage {
    folder: Folder,
    /// Where the gateway listens.
    pub(super) listen: SocketAddr,
    /// Where the mail server behind it does.
    pub(super) behind: SocketAddr,
}

enum Folder {
    /// Removed when this is dropped.
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Stage {
    /// Makes folder and rules. Gives the socket of the mail server behind along.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn set(
        listen: Option<SocketAddr>,
        dir: Option<&Path>,
    ) -> Result<(Self, TcpListener), Box<dyn Error>> {
        let folder = match dir {
            None => Folder::Temporary(
                tempfile::Builder::new()
                    .prefix("portcullis-demo-")
                    .tempdir()
                    .map_err(|e| format!("cannot make a temporary folder: {e}; name one with --dir"))?,
            ),
            Some(dir) => Folder::Kept(empty(dir)?),
        };
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stage = Self { folder, listen: choose(listen)?, behind: socket.local_addr()? };
        fs::create_dir(stage.mail())?;
        fs::create_dir(stage.rules())?;
        for folder in FOLDERS {
            fs::create_dir(stage.rules().join(folder))?;
        }
        fs::write(stage.rules().join("gateway.toml"), gateway(stage.listen, stage.behind)?)?;
        fs::write(stage.rules().join("content.toml"), content()?)?;
        for (name, text) in BESIDE {
            fs::write(stage.rules().join(name), text)?;
        }
        Ok((stage, socket))
    }

    pub(super) fn folder(&self) -> &Path {
        match &self.folder {
            Folder::Temporary(dir) => dir.path(),
            Folder::Kept(dir) => dir,
        }
    }

    pub(super) fn is_kept(&self) -> bool {
        matches!(self.folder, Folder::Kept(_))
    }

    pub(super) fn rules(&self) -> PathBuf {
        self.folder().join("rules")
    }

    pub(super) fn mail(&self) -> PathBuf {
        self.folder().join("mail")
    }

    pub(super) fn audit(&self) -> PathBuf {
        self.folder().join("state").join("audit.jsonl")
    }
}

fn empty(dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let dir = std::path::absolute(dir)?;
    fs::create_dir_all(&dir).map_err(|e| format!("cannot make the folder {}: {e}", dir.display()))?;
    if fs::read_dir(&dir)?.next().is_some() {
        return Err(format!("{} is not empty: name a new folder with --dir", dir.display()).into());
    }
    Ok(dir)
}

/// The wanted address, or the usual port, or any free one.
fn choose(wanted: Option<SocketAddr>) -> std::io::Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match wanted {
        Some(wanted) if wanted.port() != 0 => Ok(wanted),
        Some(wanted) => TcpListener::bind(wanted)?.local_addr(),
        None if TcpListener::bind(usual).is_ok() => Ok(usual),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr(),
    }
}

/// The shipped rules with the demo's own folder and addresses, and a size limit that a sample can break.
fn gateway(listen: SocketAddr, behind: SocketAddr) -> Result<String, String> {
    let changes = [
        ("\nstate_dir = \"/var/lib/portcullis\"\n", "\nstate_dir = \"../state\"\n".to_owned()),
        ("\nmax_message_size = \"50M\"\n", "\nmax_message_size = \"1M\"\n".to_owned()),
        // So that an ordinary user's limit of open files will do.
        ("\n# max_connections = 10000\n", "\nmax_connections = 100\n".to_owned()),
        ("\naddress = \"0.0.0.0:25\"\n", format!("\naddress = \"{listen}\"\n")),
        ("\naddresses = [\"10.0.0.5:25\"]\n", format!("\naddresses = [\"{behind}\"]\n")),
        ("\n# level = \"info\"\n", "\nlevel = \"warn\"\n".to_owned()),
    ];
    adapted(SHIPPED, &changes)
}

/// The shipped score rules. Nobody has to prove anything: senders are on this machine, and no name server is to be asked.
fn content() -> Result<String, String> {
    let off = |key: &str| format!("\n{key} = false\n");
    let changes = [
        ("\n# spf = true\n", off("spf")),
        ("\n# dkim = true\n", off("dkim")),
        ("\n# arc = true\n", off("arc")),
        ("\n# dmarc = \"log\"\n", "\ndmarc = \"off\"\n".to_owned()),
        ("\n# author = \"log\"\n", "\nauthor = \"off\"\n".to_owned()),
    ];
    adapted(CONTENT, &changes)
}

fn adapted(shipped: &str, changes: &[(&str, String)]) -> Result<String, String> {
    let mut text = shipped.to_owned();
    for (old, new) in changes {
        if text.matches(old).count() != 1 {
            return Err(format!("the shipped rules have no line {:?} any more", old.trim()));
        }
        text = text.replacen(old, new, 1);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_rules_fit_the_demo() {
        let text = gateway("127.0.0.1:2525".parse().unwrap(), "127.0.0.1:3535".parse().unwrap()).unwrap();
        let content = content().unwrap();
        let mut texts = vec![("gateway.toml", text.as_str()), ("content.toml", content.as_str())];
        texts.extend(BESIDE);
        let sources = config::Sources::of(&texts);
        let (policy, problems) =
            config::parse_files(&sources, Path::new("/demo/rules"), config::Moment::at(0));
        assert!(problems.is_empty(), "{problems:?}");
        let policy = policy.unwrap();
        assert_eq!(policy.listeners[0].address.port(), 2525);
        assert_eq!(policy.downstreams[0].addresses[0].socket.port(), 3535);
        assert_eq!(policy.max_message_octets, 1 << 20);
        // Nothing is asked of name servers.
        assert!(!policy.content.authentication.is_on());
    }

    #[test]
    fn every_shipped_file_is_in_the_demo() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let names = |folder: &str| {
            let entries = fs::read_dir(shipped.join(folder)).unwrap().map(|entry| entry.unwrap());
            let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
            files.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let mut want: Vec<String> = names("");
        want.retain(|name| name.ends_with(".toml"));
        for folder in FOLDERS {
            want.extend(names(folder).iter().map(|name| format!("{folder}/{name}")));
        }
        for name in want {
            let adapted = ["gateway.toml", "content.toml"].contains(&name.as_str());
            assert!(adapted || BESIDE.iter().any(|(beside, _)| *beside == name), "{name}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(empty(&dir.path().join("new/one")).is_ok());
        assert!(empty(dir.path()).unwrap_err().to_string().contains("is not empty"));
    }

    use crate::config;
}
