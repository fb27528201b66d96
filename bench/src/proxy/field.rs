//! The other caching proxies, each with one worker, no access log, and everything else as its authors ship it.

use super::contender::Site;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// nginx keeps entries in files.
pub(super) fn nginx(site: &Site<'_>) -> io::Result<Command> {
    let (dir, listen, origin) = (site.directory.display(), site.listen, site.origin);
    let capacity = site.capacity_mib;
    // Its worker would be nobody, who may not enter the directory; the line is only for root.
    let user = match is_root() {
        true => "user root;",
        false => "",
    };
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
        .concat();
    let configuration = format!(
        "daemon off; worker_processes 1; {user} pid {dir}/pid; error_log stderr crit;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n{temp}access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000;\n\
         proxy_cache_path {dir}/cache levels=1:2 keys_zone=cache:64m max_size={capacity}m inactive=1d \
         use_temp_path=off;\n\
         upstream origin {{ server {origin}; keepalive 256; keepalive_requests 1000000000; }}\n\
         server {{ listen {listen}; location / {{\n\
         proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_cache cache;\n\
         }} }} }}\n"
    );
    let file = site.directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = Command::new(&site.program);
    command
        .arg("-c")
        .arg(file)
        .arg("-p")
        .arg(site.directory)
        .args(["-e", "stderr"]);
    Ok(command)
}

/// Varnish keeps entries in memory.
pub(super) fn varnish(site: &Site<'_>) -> Command {
    let mut command = Command::new(&site.program);
    command.args(["-F", "-j", "none"]);
    command.args(["-a", &site.listen.to_string()]);
    command.args(["-b", &site.origin.to_string()]);
    command.args(["-s", &format!("malloc,{}m", site.capacity_mib)]);
    command.args(["-p", "thread_pools=1"]);
    command.arg("-n").arg(site.directory.join("work"));
    command
}

/// Apache Traffic Server keeps entries on disk, and hot ones in memory too.
pub(super) fn traffic_server(site: &Site<'_>) -> io::Result<Command> {
    let (dir, capacity) = (site.directory.display(), site.capacity_mib);
    for folder in ["etc", "run", "log", "cache"] {
        fs::create_dir(site.directory.join(folder))?;
    }
    let layout = format!(
        "prefix: {dir}\nexec_prefix: {dir}\nbindir: /usr/bin\nsbindir: /usr/sbin\nsysconfdir: {dir}/etc\n\
         datadir: {dir}/cache\nincludedir: /usr/include\nlibdir: /usr/lib/trafficserver\n\
         libexecdir: /usr/lib/trafficserver/modules\nlocalstatedir: {dir}/run\nruntimedir: {dir}/run\n\
         logdir: {dir}/log\ncachedir: {dir}/cache\n"
    );
    let records = format!(
        "CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1\n\
         CONFIG proxy.config.exec_thread.autoconfig INT 0\n\
         CONFIG proxy.config.exec_thread.limit INT 1\n\
         CONFIG proxy.config.admin.user_id STRING #-1\n\
         CONFIG proxy.config.crash_log_helper STRING NULL\n\
         CONFIG proxy.config.cache.ram_cache.size INT {capacity}M\n\
         CONFIG proxy.config.log.logging_enabled INT 0\n",
        port = site.listen.port()
    );
    let allow = "ip_allow:\n  - apply: in\n    ip_addrs: 127.0.0.1\n    action: allow\n    methods: ALL\n";
    for (file, text) in [
        ("runroot.yaml", layout),
        ("etc/records.config", records),
        ("etc/ip_allow.yaml", allow.to_owned()),
        ("etc/storage.config", format!("{dir}/cache {capacity}M\n")),
        ("etc/remap.config", format!("map / http://{}/\n", site.origin)),
    ] {
        fs::write(site.directory.join(file), text)?;
    }
    let mut command = Command::new(&site.program);
    command.arg(format!("--run-root={dir}/runroot.yaml"));
    Ok(command)
}

/// Squid keeps entries in memory.
pub(super) fn squid(site: &Site<'_>) -> io::Result<Command> {
    let (dir, capacity) = (site.directory.display(), site.capacity_mib);
    let (listen, origin_ip, origin_port) = (site.listen, site.origin.ip(), site.origin.port());
    let configuration = format!(
        "http_port {listen} accel defaultsite=127.0.0.1 no-vhost\n\
         cache_peer {origin_ip} parent {origin_port} 0 no-query no-digest originserver name=origin\n\
         http_access allow all\ncache_peer_access origin allow all\nnever_direct allow all\n\
         cache_mem {capacity} MB\nmaximum_object_size_in_memory 4 MB\n\
         access_log none\ncache_store_log none\ncache_log {dir}/cache.log\n\
         pid_filename none\nnetdb_filename none\ncoredump_dir {dir}\npinger_enable off\nworkers 1\n\
         shutdown_lifetime 0 seconds\n"
    );
    let file = site.directory.join("squid.conf");
    fs::write(&file, configuration)?;
    // Started by root, it goes on as a user of its own, who must be able to write here.
    fs::set_permissions(site.directory, fs::Permissions::from_mode(0o777))?;
    let mut command = Command::new(&site.program);
    command.arg("-N").arg("-f").arg(file);
    Ok(command)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
