#include "executor/sandbox.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "embed/init_program.h"
#include "executor/seccomp.h"
#include "host/file.h"

namespace millrace::executor {
namespace {

using Words = std::vector<std::string>;

constexpr int kFirstFileFd = 5;
constexpr const char* kInit = "/.millrace-init";

void add(Words& words, std::initializer_list<std::string> more) { words.insert(words.end(), more); }

// Collects the options and numbers the descriptors that they name.
struct Options {
  Words words;
  std::vector<SandboxFile> files;

  std::string file(std::string bytes) { return give({.bytes = std::move(bytes)}); }
  std::string opened(host::Fd open) { return give({.open = std::move(open)}); }

 private:
  std::string give(SandboxFile file) {
    file.fd = kFirstFileFd + static_cast<int>(files.size());
    files.push_back(std::move(file));
    return std::to_string(files.back().fd);
  }
};

bool is_folder(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void bind_entry(const std::string& base, const std::string& name, Words& words) {
  const std::string source = base + "/" + name;
  std::array<char, 256> link{};
  const ssize_t length = ::readlink(source.c_str(), link.data(), link.size() - 1);
  if (length > 0)
    add(words, {"--symlink", std::string(link.data(), static_cast<std::size_t>(length)), "/" + name});
  else if (is_folder(source))
    add(words, {"--ro-bind", source, "/" + name});
}

constexpr std::string_view kTaken[] = {"usr", "bin", "sbin", "lib", "lib64"};  // of the host's own root
constexpr std::string_view kOwn[] = {"proc", "dev",  "sys",       "tmp",
                                     "run",  "data", "lost+found"};  // of no other

bool comes_from_root(const WorkloadSpec& spec, std::string_view name) {
  if (spec.root == "/") return std::ranges::find(kTaken, name) != std::end(kTaken);
  return std::ranges::find(kOwn, name) == std::end(kOwn);
}

// bwrap makes a place with the host in reach at /oldroot: through a link of the image it would be made out there.
Result<void> check_place(const WorkloadSpec& spec, const std::string& target) {
  const std::string base = spec.root == "/" ? "" : spec.root;
  const std::string path = target + "/";
  if (!comes_from_root(spec, path.substr(1, path.find('/', 1) - 1))) return {};
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    struct stat info{};
    if (::lstat((base + path.substr(0, at)).c_str(), &info) != 0) break;
    if (S_ISLNK(info.st_mode))
      return failure(
          ErrorCode::kDenied,
          path.substr(0, at) + " is a symbolic link of the image: nothing can " + "be mounted at " + target);
  }
  return {};
}

// Mount points can be made anywhere but in these folders. The host's own root gives programs and libraries without
// configuration, state or homes.
Result<void> add_root(const WorkloadSpec& spec, Options& options) {
  const std::string base = spec.root == "/" ? "" : spec.root;
  if (base.empty()) {
    for (const std::string_view name : kTaken) bind_entry(base, std::string(name), options.words);
    add(options.words, {"--perms", "0755", "--dir", "/etc"});
    add(options.words, {"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"});
    add(options.words, {"--ro-bind-try", "/etc/alternatives", "/etc/alternatives"});
    return {};
  }
  for (const std::string& name : TRY(host::list_dir(spec.root)))
    if (comes_from_root(spec, name)) bind_entry(base, name, options.words);
  return {};
}

// What resolvers read. Where the image's own /etc is taken, only files that it has can be covered.
void add_names(const WorkloadSpec& spec, Options& options) {
  const auto has_place = [&](const char* file) {
    return spec.root == "/" || host::exists(spec.root + "/etc/" + file);
  };
  // A file is made faster than a mount, but in the image's own /etc nothing can be made.
  const char* put = spec.root == "/" ? "--file" : "--ro-bind-data";
  const auto cover = [&](const char* file, std::string text) {
    if (has_place(file))
      add(options.words,
          {"--perms", "0444", put, options.file(std::move(text)), std::string("/etc/") + file});
  };
  if (spec.network == Network::kHost) {
    for (const char* file : {"hosts", "resolv.conf", "nsswitch.conf"})
      if (has_place(file))
        add(options.words, {"--ro-bind-try", std::string("/etc/") + file, std::string("/etc/") + file});
  } else {
    cover("hosts", "127.0.0.1 localhost millrace\n");
  }
  if (spec.root == "/") {
    if (spec.network != Network::kHost) cover("nsswitch.conf", "hosts: files dns\n");
    cover("passwd", "root:x:0:0::/:/bin/false\nnobody:x:65534:65534:nobody:/data:/bin/sh\n");
  }
}

// A mount inside a folder that the root brings (/usr) needs no place of its own; anything else bwrap creates.
void add_parents(const std::string& target, Words& words) {
  // bwrap makes missing parents for itself alone; the workload is another user.
  for (std::size_t at = target.find('/', 1); at != std::string::npos; at = target.find('/', at + 1))
    add(words, {"--perms", "0755", "--dir", target.substr(0, at)});
}

Result<host::Fd> open_without_links(const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  host::Fd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (fd) return fd;
  if (errno == ELOOP)
    return failure(ErrorCode::kDenied, "a symbolic link lies on the path of the workload's mount " + path +
                                           ", and none is followed there: name the real path");
  if (errno == ENOENT || errno == ENOTDIR)
    return failure(ErrorCode::kNotFound, "the workload's mount " + path + " does not exist");
  return std::unexpected(errno_error("open the workload's mount " + path, errno));
}

// bwrap compares what it bound with the descriptor, and ends where they differ.
Result<void> add_mounts(const WorkloadSpec& spec, Options& options) {
  for (const Mount& mount : spec.mounts) {
    TRY_VOID(check_place(spec, mount.target));
    add_parents(mount.target, options.words);
    if (mount.no_links) {
      const std::string fd = options.opened(TRY(open_without_links(mount.source)));
      add(options.words, {mount.writable ? "--bind-fd" : "--ro-bind-fd", fd, mount.target});
      continue;
    }
    if (!host::exists(mount.source))
      return failure(ErrorCode::kNotFound, "the workload's mount " + mount.source + " does not exist");
    add(options.words, {mount.writable ? "--bind" : "--ro-bind", mount.source, mount.target});
  }
  return {};
}

void add_tmpfs(const std::string& target, std::int64_t bytes, Words& words) {
  add(words, {"--perms", "1777"});
  if (bytes > 0) add(words, {"--size", std::to_string(bytes)});
  add(words, {"--tmpfs", target});
}

Words isolation(const WorkloadSpec& spec, bool as_root) {
  Words words = {"--unshare-ipc", "--unshare-pid",     "--unshare-uts", "--unshare-cgroup-try",
                 "--as-pid-1",    "--die-with-parent", "--new-session", "--hostname",
                 "millrace",      "--clearenv",        "--cap-drop",    "ALL"};
  if (spec.network != Network::kHost) words.emplace_back("--unshare-net");
  const std::string id = std::to_string(kSandboxUid);
  if (!as_root) add(words, {"--unshare-user", "--uid", id, "--gid", id});
  // Given up by the first process, before anything of the image runs.
  if (as_root)
    add(words, {"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP", "--cap-add",
                "CAP_CHOWN", "--cap-add", "CAP_FOWNER"});
  return words;
}

std::string joined(const Words& words) {
  std::string bytes;
  for (const std::string& word : words) bytes.append(word).push_back('\0');
  return bytes;
}

Words instructions(const WorkloadSpec& spec, bool as_root, bool unpack) {
  Words words;
  if (as_root) add(words, {"uid", std::to_string(kSandboxUid)});
  for (const SecretFile& secret : spec.secrets) add(words, {"own", secret.target});
  add(words, {"workdir", spec.workdir.empty() ? "/" : spec.workdir});
  if (unpack) add(words, {"unpack", std::to_string(Sandbox::kArchiveFd)});
  for (const std::string& argument : spec.argv) add(words, {"arg", argument});
  return words;
}

}  // namespace

std::string_view sandbox_init() { return init_program().front().bytes; }

Result<Sandbox> make_sandbox(const WorkloadSpec& spec, const std::string& data_dir, bool as_root,
                             bool unpack) {
  const std::string base = spec.root == "/" ? "" : spec.root;
  if (!host::exists(base + "/usr"))
    return failure(ErrorCode::kNotFound,
                   "looked for a root file system in " + spec.root + ", found no usr folder in it");
  Options options{.words = isolation(spec, as_root), .files = {}};
  TRY_VOID(add_root(spec, options));
  add(options.words, {"--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"});
  add_tmpfs("/dev/shm", spec.scratch_bytes, options.words);
  add_tmpfs("/tmp", spec.scratch_bytes, options.words);
  add(options.words, {"--bind", data_dir, "/data"});  // made anew for each run, so places may be made in it
  TRY_VOID(add_mounts(spec, options));
  add_names(spec, options);
  for (const SecretFile& secret : spec.secrets) {
    TRY_VOID(check_place(spec, secret.target));
    add_parents(secret.target, options.words);
    add(options.words, {"--perms", "0400", "--bind-data", options.file(secret.text), secret.target});
  }
  add(options.words, {"--perms", "0555", "--file", options.file(std::string(sandbox_init())), kInit});
  add(options.words, {"--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/", "--seccomp",
                      options.file(seccomp_filter())});
  add(options.words, {"--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "HOME", "/data",
                      "--setenv", "LANG", "C.UTF-8"});
  for (const auto& [name, value] : spec.env) add(options.words, {"--setenv", name, value});
  const std::string told = options.file(joined(instructions(spec, as_root, unpack)));
  const std::string arguments = options.file(joined(options.words));
  return Sandbox{
      .argv = {"bwrap", "--args", arguments, "--", kInit, told, std::to_string(Sandbox::kChannelFd)},
      .files = std::move(options.files)};
}

Result<void> make_sandbox_folder(const std::string& path) {
  TRY_VOID(host::make_dirs(path, 0700));
  if (::chmod(path.c_str(), 0700) != 0) return std::unexpected(errno_error("chmod " + path, errno));
  if (::geteuid() == 0 && ::chown(path.c_str(), kSandboxUid, kSandboxUid) != 0)
    return std::unexpected(errno_error("chown " + path, errno));
  return {};
}

}  // namespace millrace::executor
