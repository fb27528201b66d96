//! What a client gets of what is written, and for how long it is waited for.

use super::*;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_millis(100);

async fn pair() -> (Gathering, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = tokio::join!(client, listener.accept());
    let stream = accepted.unwrap().0.into();
    (Gathering::new(stream, Heads::default(), LIMIT), client.unwrap())
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + seed) as u8).collect()
}

#[tokio::test]
async fn what_is_written_arrives_in_order_whatever_its_sizes() {
    let (mut server, mut client) = pair().await;
    const MAX: usize = HELD_BYTES_MAX;
    let sizes = [
        1,
        400,
        MAX - 1,
        MAX,
        MAX + 1,
        0,
        300,
        1 << 20,
        7,
        2000,
        5,
        4000,
        900,
    ];
    let written: Vec<Vec<u8>> = sizes.iter().map(|len| bytes(*len, *len)).collect();
    let whole = written.concat();
    let sending = async {
        for part in &written {
            server.write_all(part).await.unwrap();
        }
        AsyncWriteExt::shutdown(&mut server).await.unwrap();
    };
    let mut arrived = Vec::new();
    let (_, read) = tokio::join!(sending, client.read_to_end(&mut arrived));
    read.unwrap();
    assert!(arrived == whole, "{} bytes of {}", arrived.len(), whole.len());
}

#[tokio::test]
async fn a_connection_that_holds_nothing_keeps_no_large_buffer() {
    let (mut server, _client) = pair().await;
    for size in [HELD_BYTES_MAX, HELD_BYTES_MAX + 1] {
        server.write_all(&bytes(600, 0)).await.unwrap();
        server.write_all(&bytes(size, 1)).await.unwrap();
        server.flush().await.unwrap();
        assert!(server.held.is_empty() && server.held.capacity() <= KEPT_BYTES_MAX);
    }
}

#[tokio::test]
async fn a_flush_sends_what_is_held() {
    let (mut server, mut client) = pair().await;
    server.write_all(b"head").await.unwrap();
    assert_eq!(server.held, b"head");
    server.flush().await.unwrap();
    let mut arrived = [0; 4];
    client.read_exact(&mut arrived).await.unwrap();
    assert_eq!(&arrived, b"head");
}

/// A head would wait for the first byte of a slow body, and the client for the head.
#[tokio::test]
async fn who_waits_for_the_client_sends_first() {
    let (mut server, mut client) = pair().await;
    server.write_all(b"head").await.unwrap();
    let answering = async {
        let mut arrived = [0; 4];
        client.read_exact(&mut arrived).await.unwrap();
        client.write_all(&arrived).await.unwrap();
    };
    let mut answer = [0; 4];
    let (_, read) = tokio::join!(answering, server.read_exact(&mut answer));
    read.unwrap();
    assert_eq!(&answer, b"head");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_what_is_held_or_written_is_not_waited_for() {
    for part_bytes in [1000, 1 << 20] {
        let (mut server, _client) = pair().await;
        let sending = async {
            loop {
                server.write_all(&bytes(part_bytes, 0)).await?;
                server.flush().await?;
            }
        };
        let ended: io::Result<()> = sending.await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_waited_for() {
    let (mut server, mut client) = pair().await;
    let trickling = async {
        while client.write_all(b"a").await.is_ok() {
            tokio::time::sleep(LIMIT / 10).await;
        }
    };
    let reading = async {
        let mut buffer = [0; 9];
        loop {
            if let Err(e) = server.read(&mut buffer).await {
                return e;
            }
        }
    };
    tokio::select! {
        e = reading => assert_eq!(e.kind(), io::ErrorKind::TimedOut),
        () = trickling => panic!("the connection was closed"),
    }
}

/// What comes after the head, and between two requests, is pingora's to wait for.
#[tokio::test]
async fn what_is_no_head_may_take_its_time() {
    let (mut server, _client) = pair().await;
    let heads = server.head.heads();
    for is_over in [false, true] {
        let waiting = heads.clone().serve(async {
            crate::patience::head_came();
            if is_over {
                crate::patience::head_is_next();
            }
            tokio::time::timeout(LIMIT * 3, server.read_u8()).await
        });
        assert!(waiting.await.is_err(), "{is_over}");
    }
}
