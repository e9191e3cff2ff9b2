//! One generation of the policy, with what runs by it: downstreams, certificates, listeners.

use super::tls::{ServerTls, TlsFileError};
use crate::checks;
use crate::config::model::{Downstream, DownstreamTls, Listener, ListenerTls, Policy, Timeouts};
use crate::downstream::tls::{ClientTls, Verify};
use crate::downstream::{Dial, Limits, Pool};
use crate::lookup::{CountryError, Lookup};
use crate::scan::{self, Scanners};
use crate::store::generations::Numbered;
use crate::verdict::{Needs, Stage};
use std::sync::Arc;

/// A generation. Immutable; a transaction keeps the one it began with.
pub struct Generation {
    /// From 1, one more with each reload.
    pub number: u64,
    /// The earlier generation whose rule files it has.
    pub rules_of: Option<u64>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// Downstreams, in file order.
    pub pools: Vec<Arc<Pool>>,
    /// Listeners, in file order.
    pub entrances: Vec<Arc<Entrance>>,
    /// Names and lists in DNS, and countries.
    pub lookup: Arc<Lookup>,
    /// Scanners.
    pub scanners: Scanners,
    /// What the checks of each stage need, in the order of the stages.
    needs: [Needs; Stage::EACH.len()],
}

/// A listener with what its sessions need.
pub struct Entrance {
    /// Its configuration.
    pub listener: Arc<Listener>,
    /// Where its mail goes.
    pub pool: Arc<Pool>,
    /// Its certificate.
    pub tls: Option<Arc<ServerTls>>,
}

/// Why a policy that parsed cannot run.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// A certificate of a listener.
    #[error("listener \"{listener}\": {source}")]
    Certificate {
        /// Which.
        listener: Arc<str>,
        /// Why.
        source: TlsFileError,
    },
    /// Certificates to verify a downstream against.
    #[error("downstream \"{downstream}\": {message}")]
    Downstream {
        /// Which.
        downstream: Arc<str>,
        /// Why.
        message: String,
    },
    /// The country database.
    #[error("protocol.toml: [country] database: {0}")]
    Country(#[from] CountryError),
    /// The loader checks this; kept for a policy that was made otherwise.
    #[error("listener \"{listener}\": no downstream \"{downstream}\"")]
    NoDownstream {
        /// Which.
        listener: Arc<str>,
        /// What it names.
        downstream: Arc<str>,
    },
}

impl Generation {
    /// Builds what runs by `policy`. A downstream whose configuration did not change keeps its pool of
    /// `before`: its health, its connections, what it offered.
    ///
    /// # Errors
    /// See [`GenerationError`].
    pub fn build(
        policy: Arc<Policy>,
        before: Option<&Self>,
        dial: &Arc<dyn Dial>,
    ) -> Result<Self, GenerationError> {
        let limits = limits(&policy.timeouts);
        let mut pools = Vec::with_capacity(policy.downstreams.len());
        for config in &policy.downstreams {
            let kept = before.and_then(|b| b.pool_like(config, &limits));
            pools.push(match kept {
                Some(pool) => pool,
                None => Arc::new(make_pool(config, &policy.timeouts, dial)?),
            });
        }
        let mut entrances = Vec::with_capacity(policy.listeners.len());
        for listener in &policy.listeners {
            let pool = pools.iter().find(|p| p.config().name == listener.downstream);
            let pool = pool.ok_or_else(|| GenerationError::NoDownstream {
                listener: Arc::clone(&listener.name),
                downstream: Arc::clone(&listener.downstream),
            })?;
            let tls = server_tls(listener)?;
            entrances.push(Arc::new(Entrance {
                listener: Arc::clone(listener),
                pool: Arc::clone(pool),
                tls,
            }));
        }
        let database = policy.protocol.country_database.as_deref();
        let lookup = Arc::new(Lookup::build(&policy.dns, database, before.map(|b| &*b.lookup))?);
        let needs = Stage::EACH.map(|stage| checks::needs(stage, &policy));
        let scanners = scan::build(&policy.scanning, before.map(|b| &b.scanners));
        Ok(Self {
            number: before.map_or(1, |b| b.number + 1),
            rules_of: None,
            policy,
            pools,
            entrances,
            lookup,
            scanners,
            needs,
        })
    }

    /// What the checks of `stage` need; at MAIL also what the later stages will, so that nothing is waited for
    /// twice.
    #[must_use]
    pub fn needs_at(&self, stage: Stage) -> Needs {
        let at = |s: Stage| self.needs.get(s as usize).copied().unwrap_or_default();
        match stage {
            Stage::Mail => at(Stage::Mail).and(at(Stage::Rcpt)).and(at(Stage::Data)).and(at(Stage::Message)),
            Stage::Connect | Stage::Helo | Stage::Auth | Stage::Rcpt | Stage::Data | Stage::Message => {
                at(stage)
            }
        }
    }

    /// What any check needs.
    #[must_use]
    pub fn needs_anywhere(&self) -> Needs {
        self.needs.iter().fold(Needs::NONE, |all, n| all.and(*n))
    }

    /// The same under the number that it has among all that are kept. Must be higher than that of every other
    /// generation of this process.
    #[must_use]
    pub fn numbered(self, numbered: Numbered) -> Self {
        Self { number: numbered.number, rules_of: numbered.rules_of, ..self }
    }

    fn pool_like(&self, config: &Downstream, limits: &Limits) -> Option<Arc<Pool>> {
        let same = |p: &&Arc<Pool>| **p.config() == *config && p.limits() == limits;
        self.pools.iter().find(same).map(Arc::clone)
    }

    /// The listener of that name.
    #[must_use]
    pub fn entrance(&self, name: &str) -> Option<&Arc<Entrance>> {
        self.entrances.iter().find(|e| *e.listener.name == *name)
    }
}

/// The pool of a downstream, with nothing connected yet. Reads the file of its `ca`.
///
/// # Errors
/// That file cannot be used.
pub fn make_pool(
    config: &Arc<Downstream>,
    timeouts: &Timeouts,
    dial: &Arc<dyn Dial>,
) -> Result<Pool, GenerationError> {
    Ok(Pool::new(Arc::clone(config), Arc::clone(dial), client_tls(config)?, limits(timeouts)))
}

fn limits(timeouts: &Timeouts) -> Limits {
    Limits {
        connect: timeouts.downstream_connect,
        command: timeouts.downstream_command,
        message: timeouts.downstream_data_reply,
        wait: timeouts.downstream_wait,
    }
}

fn client_tls(config: &Downstream) -> Result<Option<ClientTls>, GenerationError> {
    let verify = match (&config.tls, &config.ca) {
        (DownstreamTls::Off, _) => return Ok(None),
        (DownstreamTls::Pinned(pins), _) => Verify::Pinned(pins.clone()),
        (DownstreamTls::Required, Some(ca)) => Verify::Ca(ca.clone()),
        (DownstreamTls::Required, None) | (DownstreamTls::Opportunistic, _) => Verify::Opportunistic,
    };
    let tls = ClientTls::new(verify, config.server_name.clone());
    tls.map(Some).map_err(|e| GenerationError::Downstream {
        downstream: Arc::clone(&config.name),
        message: e.to_string(),
    })
}

fn server_tls(listener: &Listener) -> Result<Option<Arc<ServerTls>>, GenerationError> {
    let files = match &listener.tls {
        ListenerTls::Off => return Ok(None),
        ListenerTls::Starttls(files) | ListenerTls::Implicit(files) => files,
    };
    let loaded = ServerTls::load(&files.certificate, &files.key);
    let named = |source| GenerationError::Certificate { listener: Arc::clone(&listener.name), source };
    loaded.map(|tls| Some(Arc::new(tls))).map_err(named)
}
