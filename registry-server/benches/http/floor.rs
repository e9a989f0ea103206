//! The floor: what actix itself costs.

use actix_web::{App, HttpResponse, HttpServer, web};

/// Serves a body of so many bytes at every path, until the process is killed.
pub(crate) fn serve(bytes: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let body = web::Bytes::from(vec![b'x'; bytes]);
        let server = HttpServer::new(move || {
            let body = body.clone();
            App::new().default_service(web::to(move || {
                let body = body.clone();
                async move { HttpResponse::Ok().content_type("application/json").body(body) }
            }))
        });
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let server = server.workers(workers).bind(("127.0.0.1", 0)).expect("a free port");
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await.expect("the floor serves");
    });
}
