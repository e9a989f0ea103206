//! One broker-and-controller node: its properties file, its format, its process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::java;
use crate::process::Process;

/// The version of Apache Kafka; `tests/requirements/kafka.xml` names the same.
pub const VERSION: &str = "4.3.1";

/// log4j2 prints only errors unless it is told otherwise.
const LOG_SETTINGS: &str = "\
status=warn
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1}: %m%n
rootLogger.level=info
rootLogger.appenderRef.console.ref=console
";

/// The ports of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) client: u16,
    pub(super) controller: u16,
    pub(super) proxied: Option<ProxiedPorts>,
}

/// A second way in for clients, which leads through a proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProxiedPorts {
    /// Where the broker listens.
    pub(super) listening: u16,
    /// What the broker tells clients: the proxy's.
    pub(super) advertised: u16,
}

/// A node of a cluster, running or not.
#[derive(Debug)]
pub(super) struct Node {
    folder: PathBuf,
    jars: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Node {
    /// Lays out the folders and properties of one node per entry of `ports` under `folder`.
    pub(super) fn layout(folder: &Path, jars: &Path, ports: &[Ports]) -> Result<Vec<Self>> {
        let voter = |(index, ports): (usize, &Ports)| format!("{}@127.0.0.1:{}", index + 1, ports.controller);
        let voters: Vec<String> = ports.iter().enumerate().map(voter).collect();
        let voters = voters.join(",");
        let mut nodes = Vec::new();
        for (index, of_node) in ports.iter().enumerate() {
            let folder = folder.join(format!("node-{}", index + 1));
            std::fs::create_dir(&folder)?;
            let properties = properties(index + 1, ports.len(), of_node, &voters, &folder);
            std::fs::write(folder.join("server.properties"), properties)?;
            std::fs::write(folder.join("log4j2.properties"), LOG_SETTINGS)?;
            nodes.push(Self { folder, jars: jars.to_owned(), port: of_node.client, process: None });
        }
        Ok(nodes)
    }

    /// `host:port` for clients.
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn start(&mut self) -> Result<()> {
        let mut command = java(&self.jars);
        let log_settings = self.folder.join("log4j2.properties");
        // A property must stand before the class name, so the class comes last.
        command.arg(format!("-Dlog4j2.configurationFile={}", log_settings.display())).arg("kafka.Kafka");
        command.arg(self.folder.join("server.properties")).current_dir(&self.folder);
        self.process = Some(Process::start("kafka", &mut command, &self.log(), self.folder.parent())?);
        Ok(())
    }

    pub(super) fn stop(&mut self, patience: Duration) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.stop(patience).map(drop)
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Freezes a running node: it keeps its connections and answers nothing.
    pub(super) fn pause(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), |process| process.signal(Signal::SIGSTOP))
    }

    /// Lets a frozen node go on.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), |process| process.signal(Signal::SIGCONT))
    }

    pub(super) fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Fails if the process has ended by itself. A node that a test stopped is no failure.
    pub(super) fn check_running(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::check_running)
    }

    pub(super) fn log_tail(&self) -> String {
        let tail = self.process.as_ref().map(Process::log_tail).unwrap_or_default();
        format!("the end of `{}`:\n{tail}", self.log().display())
    }

    /// Bytes in the log segments of a topic's partitions on this node.
    pub(super) fn log_bytes(&self, topic: &str) -> Result<u64> {
        self.segments(topic)?.iter().map(|segment| Ok(segment.metadata()?.len())).sum()
    }

    /// The log segments of a topic's partitions on this node.
    pub(super) fn segments(&self, topic: &str) -> Result<Vec<PathBuf>> {
        let mut segments = Vec::new();
        for folder in std::fs::read_dir(self.folder.join("data"))? {
            let folder = folder?;
            // `topic-0`, but neither `topic-more-0` nor what is left of a deleted topic.
            let name = folder.file_name().to_string_lossy().into_owned();
            let Some((of, _)) = name.rsplit_once('-').filter(|(_, partition)| partition.parse::<u32>().is_ok()) else {
                continue;
            };
            if of != topic {
                continue;
            }
            for file in std::fs::read_dir(folder.path())? {
                let file = file?.path();
                if file.extension().is_some_and(|extension| extension == "log") {
                    segments.push(file);
                }
            }
        }
        segments.sort();
        Ok(segments)
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The data goes away with the folder, so nothing is gained by an orderly stop, which takes seconds.
        self.kill();
    }
}

/// Writes the cluster id and the first metadata into each node's data folder, by Kafka's own tool.
pub(super) fn format(nodes: &[Node]) -> Result<()> {
    // Any 16 bytes in URL-safe base64 without padding; one cluster knows no other.
    const CLUSTER_ID: &str = "c2NoZW1hLXJlZ2lzdHJ5MQ";
    for node in nodes {
        let output = java(&node.jars)
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .arg(node.folder.join("server.properties"))
            .output()
            .context("cannot start `java`")?;
        ensure!(
            output.status.success(),
            "`kafka.tools.StorageTool format` ended with {}:\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn properties(id: usize, count: usize, ports: &Ports, voters: &str, folder: &Path) -> String {
    let (port, controller_port) = (ports.client, ports.controller);
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}");
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{port}");
    let mut protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned();
    if let Some(proxied) = ports.proxied {
        listeners += &format!(",PROXIED://127.0.0.1:{}", proxied.listening);
        advertised += &format!(",PROXIED://127.0.0.1:{}", proxied.advertised);
        protocols += ",PROXIED:PLAINTEXT";
    }
    let replicas = count.min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    format!(
        "\
process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
listener.security.protocol.map={protocols}
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.partitions=3
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=1
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=6000
",
        data = folder.join("data").display()
    )
}
