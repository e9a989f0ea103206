//! The way to a sender's broker: the connection it is made of, where the broker is, and when it is given up.

use super::{Pending, Sender};
use crate::accumulator::partition::Route;
use crate::connection::{Connection, ConnectionError, Endpoint};
use crate::node::NO_NODE;

/// The way to the broker.
pub(super) enum Link {
    Down,
    Connecting(Pending<Result<Connection, ConnectionError>>),
    Up(Connection),
}

impl Sender {
    /// The broker is silent: asks who leads, and waits no longer for an answer about a partition that another leads by
    /// now. Without idempotence it does wait: what is sent again may be there twice.
    pub(super) fn look_for_other_leaders(&self) {
        self.context.metadata.request_refresh();
        let node = self.ready.node();
        if let Link::Up(connection) = &self.link
            && self.context.is_idempotent
            && self.asked.iter().flat_map(|asked| &**asked).any(|batch| batch.partition.queue().has_left(node))
        {
            tracing::warn!(node, "a broker does not answer, and another leads what it was asked for");
            connection.give_up();
        }
    }

    /// Whether nothing is on its way from a broker that is not in the cluster. Timers and candidates do not count: who
    /// leads their partitions now was told of them.
    pub(super) fn has_lost_its_broker(&self) -> bool {
        let node = self.ready.node();
        node != NO_NODE && self.outstanding.is_empty() && !self.cluster.borrow().brokers.contains_key(&node)
    }

    /// The connection, if there is one; begins to make one if not.
    pub(super) fn connection(&mut self) -> Option<Connection> {
        match &self.link {
            Link::Up(connection) if connection.is_open() => return Some(connection.clone()),
            Link::Connecting(_) => return None,
            Link::Up(_) | Link::Down => self.link = Link::Down,
        }
        let endpoint = self.endpoint();
        let Some(endpoint) = endpoint else {
            // No leader, or one the metadata does not list: whatever comes next changes the cluster, and we look again.
            self.context.metadata.request_refresh();
            return None;
        };
        let context = self.context.clone();
        self.link = Link::Connecting(Box::pin(async move { context.pool.get(&endpoint).await }));
        None
    }

    fn endpoint(&self) -> Option<Endpoint> {
        let node = self.ready.node();
        self.cluster.borrow().brokers.get(&node).filter(|_| node != NO_NODE).cloned()
    }

    pub(super) fn take_connection(&mut self, connected: Result<Connection, ConnectionError>) {
        match connected {
            Ok(connection) => {
                self.link = Link::Up(connection);
                self.connections += 1;
            }
            Err(error) => {
                let obstacle = error.in_full();
                tracing::debug!(node = self.ready.node(), %obstacle, "no connection to a broker");
                self.link = Link::Down;
                self.candidates.iter().for_each(|partition| partition.queue().obstacle = Some(obstacle.clone()));
                self.context.metadata.request_refresh();
            }
        }
    }

    pub(super) fn route(&self) -> Route {
        Route { node: self.ready.node(), connection: self.connections }
    }
}

pub(super) async fn connected(link: &mut Link) -> Result<Connection, ConnectionError> {
    match link {
        Link::Connecting(connecting) => connecting.await,
        Link::Up(_) | Link::Down => std::future::pending().await,
    }
}
