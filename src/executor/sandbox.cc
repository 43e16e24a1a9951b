#include "executor/sandbox.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "host/file.h"

namespace millrace::executor {
namespace {

// The host's own root: programs and libraries without configuration, state or homes.
void add_root(const std::string& root, std::vector<std::string>& argv) {
  const std::string base = root == "/" ? "" : root;
  argv.insert(argv.end(), {"--ro-bind", base + "/usr", "/usr"});
  for (const char* name : {"bin", "sbin", "lib", "lib64"}) {
    const std::string source = base + "/" + name;
    std::array<char, 256> link{};
    const ssize_t length = ::readlink(source.c_str(), link.data(), link.size() - 1);
    struct stat info{};
    if (length > 0) {
      argv.insert(argv.end(), {"--symlink", std::string(link.data(), static_cast<std::size_t>(length)),
                               std::string("/") + name});
    } else if (::stat(source.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      argv.insert(argv.end(), {"--ro-bind", source, std::string("/") + name});
    }
  }
  for (const char* file : {"/etc/ld.so.cache", "/etc/passwd"}) {
    if (root != "/" || std::string_view(file) != "/etc/passwd")
      argv.insert(argv.end(), {"--ro-bind-try", base + file, file});
  }
}

// A mount inside a folder that the root brings (/usr) needs no place of its own; anything else bwrap creates.
Result<void> add_mounts(const WorkloadSpec& spec, std::vector<std::string>& argv) {
  for (const Mount& mount : spec.mounts) {
    if (!host::exists(mount.source))
      return failure(ErrorCode::kNotFound, "the workload's mount " + mount.source + " does not exist");
    // bwrap makes missing parents for itself alone; the workload is another user.
    for (std::size_t at = mount.target.find('/', 1); at != std::string::npos;
         at = mount.target.find('/', at + 1))
      argv.insert(argv.end(), {"--perms", "0755", "--dir", mount.target.substr(0, at)});
    argv.insert(argv.end(), {mount.writable ? "--bind" : "--ro-bind", mount.source, mount.target});
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> sandbox_argv(const WorkloadSpec& spec, const std::string& data_dir,
                                              const SandboxOptions& options) {
  const std::string base = spec.root == "/" ? "" : spec.root;
  if (!host::exists(base + "/usr"))
    return failure(ErrorCode::kNotFound,
                   "looked for a root file system in " + spec.root + ", found no usr folder in it");
  std::vector<std::string> argv = {options.bwrap,
                                   "--unshare-ipc",
                                   "--unshare-pid",
                                   "--unshare-net",
                                   "--unshare-uts",
                                   "--unshare-cgroup-try",
                                   "--die-with-parent",
                                   "--new-session",
                                   "--hostname",
                                   "engine",
                                   "--clearenv",
                                   "--cap-drop",
                                   "ALL"};
  if (!options.as_root)
    argv.insert(argv.end(), {"--unshare-user", "--uid", std::to_string(kSandboxUid), "--gid",
                             std::to_string(kSandboxUid)});
  add_root(spec.root, argv);
  argv.insert(argv.end(), {"--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"});
  TRY_VOID(add_mounts(spec, argv));
  argv.insert(argv.end(), {"--bind", data_dir, "/data", "--remount-ro", "/", "--chdir", "/"});
  argv.insert(argv.end(), {"--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/data", "--setenv",
                           "LANG", "C.UTF-8"});
  for (const auto& [name, value] : spec.env) argv.insert(argv.end(), {"--setenv", name, value});
  argv.insert(argv.end(),
              {"--info-fd", std::to_string(options.info_fd), "--block-fd", std::to_string(options.block_fd)});
  if (options.as_root) {
    if (!host::exists(base + "/usr/bin/setpriv"))
      return failure(ErrorCode::kNotFound, "looked for usr/bin/setpriv in the root " + spec.root +
                                               ", found none: it is needed to give up root");
    const std::string id = std::to_string(kSandboxUid);
    argv.insert(argv.end(), {"--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP",
                             "--", "/usr/bin/setpriv", "--reuid", id, "--regid", id, "--clear-groups",
                             "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"});
  } else {
    argv.push_back("--");
  }
  argv.insert(argv.end(), spec.argv.begin(), spec.argv.end());
  return argv;
}

}  // namespace millrace::executor
