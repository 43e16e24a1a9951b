#include "executor/seccomp.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace::executor {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "seccomp: add this architecture's AUDIT_ARCH_ value"
#endif

// Numbers that this machine's headers may be too old to name; the same on every architecture (asm-generic/unistd.h).
constexpr std::uint32_t kMountSetattr = 442, kQuotactlFd = 443, kOpenTree = 428, kMoveMount = 429,
                        kFsopen = 430, kFsconfig = 431, kFsmount = 432, kFspick = 433, kPidfdGetfd = 438,
                        kClone3 = 435, kIoUringSetup = 425, kIoUringEnter = 426, kIoUringRegister = 427;

// Mounts and roots; kernel code and its replacement; other processes' memory and files; keys; clocks; whole-machine
// switches. What needs a capability is refused by the kernel too: here it does not even reach the code behind it.
constexpr std::uint32_t kRefused[] = {
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    kOpenTree,
    kMoveMount,
    kFsopen,
    kFsconfig,
    kFsmount,
    kFspick,
    kMountSetattr,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_open_by_handle_at,
    SYS_setns,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    kPidfdGetfd,
    SYS_kcmp,
    SYS_quotactl,
    kQuotactlFd,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_syslog,
    SYS_vhangup,
    SYS_fanotify_init,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_sethostname,
    SYS_setdomainname,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
#endif
};
constexpr std::uint32_t kAbsent[] = {kClone3, kIoUringSetup, kIoUringEnter, kIoUringRegister};

constexpr std::uint32_t kNewTime =
    0x80;  // CLONE_NEWTIME; in clone's flags this bit belongs to the exit signal
constexpr std::uint32_t kNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
constexpr std::uint32_t kX32 = 0x40000000;                       // the other calling convention of x86-64
constexpr std::uint32_t kTiocsti = 0x5412, kTioclinux = 0x541C;  // ioctls that type into a terminal

using Filter = std::vector<sock_filter>;

constexpr std::uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t answer(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }

void load(Filter& f, std::size_t offset) {
  f.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)));
}
// The low half of an argument (both architectures here are little endian).
void load_argument(Filter& f, std::size_t index) {
  load(f, offsetof(seccomp_data, args) + index * sizeof(std::uint64_t));
}
void give(Filter& f, std::uint32_t value) { f.push_back(BPF_STMT(BPF_RET | BPF_K, value)); }

// If the accumulator is `value`, the answer is given; else it goes on.
void give_if(Filter& f, std::uint16_t test, std::uint32_t value, std::uint32_t given) {
  f.push_back(BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), value, 0, 1));
  give(f, given);
}

// For the call `number`: tests of the argument `index`, then allowed. The accumulator holds the number, before and after.
void rule(Filter& f, std::uint32_t number, std::size_t index, const Filter& tests) {
  f.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, static_cast<std::uint8_t>(tests.size() + 1)));
  load_argument(f, index);
  f.insert(f.end(), tests.begin(), tests.end());
}

Filter refuse_bits(std::uint32_t bits) {
  Filter tests;
  give_if(tests, BPF_JSET, bits, answer(EPERM));
  give(tests, kAllow);
  return tests;
}

Filter only_these(std::span<const std::uint32_t> values, int error) {
  Filter tests;
  for (const std::uint32_t value : values) give_if(tests, BPF_JEQ, value, kAllow);
  give(tests, answer(error));
  return tests;
}

Filter none_of(std::span<const std::uint32_t> values) {
  Filter tests;
  for (const std::uint32_t value : values) give_if(tests, BPF_JEQ, value, answer(EPERM));
  give(tests, kAllow);
  return tests;
}

}  // namespace

std::string seccomp_filter() {
  Filter f;
  load(f, offsetof(seccomp_data, arch));
  f.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  give(f, answer(ENOSYS));
  load(f, offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  give_if(f, BPF_JGE, kX32, answer(ENOSYS));
#endif
  for (const std::uint32_t number : kRefused) give_if(f, BPF_JEQ, number, answer(EPERM));
  for (const std::uint32_t number : kAbsent) give_if(f, BPF_JEQ, number, answer(ENOSYS));
  constexpr std::uint32_t kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  constexpr std::uint32_t kTyping[] = {kTiocsti, kTioclinux};
  constexpr std::uint32_t kPersonalities[] = {0, 0xffffffff};  // Linux, and the question which one it is
  rule(f, SYS_clone, 0, refuse_bits(kNamespaces));
  rule(f, SYS_unshare, 0, refuse_bits(kNamespaces | kNewTime));
  rule(f, SYS_socket, 0, only_these(kFamilies, EAFNOSUPPORT));
  rule(f, SYS_socketpair, 0, only_these(kFamilies, EAFNOSUPPORT));
  rule(f, SYS_ioctl, 1, none_of(kTyping));
  rule(f, SYS_personality, 0, only_these(kPersonalities, EPERM));
  give(f, kAllow);
  return {reinterpret_cast<const char*>(f.data()), f.size() * sizeof(sock_filter)};
}

}  // namespace millrace::executor
