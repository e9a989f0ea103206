//! The floors: what actix itself costs, and what it costs a bare handler to have something on the disk.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc;

use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::oneshot;

/// Pages of a commit to SQLite that adds a schema, as a rule, and what stands before each in the log.
const COMMIT_PAGES: u64 = 8;
const PAGE: [u8; 4096] = [b'x'; 4096];
const HEAD: [u8; 24] = [b'x'; 24];

/// After so many commits the log begins anew, as SQLite's does.
const COMMITS: u64 = 512;

/// More commits than clients of a bench wait for.
const WAITING_MAX: usize = 1_024;

/// Serves a body of so many bytes at every path, until the process is killed. With a folder, a thread writes as much
/// as a commit into a file there, and waits for the disk, before each answer.
pub(crate) fn serve(bytes: usize, folder: Option<&Path>) {
    let log = folder.map(|folder| Log::start(File::create(folder.join("floor")).expect("a file")));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let body = web::Bytes::from(vec![b'x'; bytes]);
        let server = HttpServer::new(move || {
            let (body, log) = (body.clone(), log.clone());
            App::new().default_service(web::to(move || {
                let (body, log) = (body.clone(), log.clone());
                async move {
                    if let Some(log) = log {
                        log.commit().await;
                    }
                    HttpResponse::Ok().content_type("application/json").body(body)
                }
            }))
        });
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let server = server.workers(workers).bind(("127.0.0.1", 0)).expect("a free port");
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await.expect("the floor serves");
    });
}

/// A thread that writes commits, one after the other, for who waits for them.
#[derive(Clone)]
struct Log(mpsc::SyncSender<oneshot::Sender<()>>);

impl Log {
    /// The file has its full length before the first commit.
    fn start(file: File) -> Self {
        for commit in 0..COMMITS {
            write(&file, commit);
        }
        file.sync_all().expect("the disk");
        let (log, waiting) = mpsc::sync_channel::<oneshot::Sender<()>>(WAITING_MAX);
        std::thread::spawn(move || {
            for (commit, done) in waiting.into_iter().enumerate() {
                write(&file, commit as u64);
                file.sync_data().expect("the disk");
                // Who has gone away does not ask.
                let _ = done.send(());
            }
        });
        Self(log)
    }

    async fn commit(&self) {
        let (done, written) = oneshot::channel();
        self.0.send(done).expect("the thread lives");
        written.await.expect("the thread lives");
    }
}

fn write(file: &File, commit: u64) {
    let frame_bytes = (HEAD.len() + PAGE.len()) as u64;
    for page in 0..COMMIT_PAGES {
        let begin = (commit % COMMITS * COMMIT_PAGES + page) * frame_bytes;
        file.write_all_at(&HEAD, begin).expect("the disk");
        file.write_all_at(&PAGE, begin + HEAD.len() as u64).expect("the disk");
    }
}
