// Seccomp: the system calls that no workload may make, as a program for the kernel.
#pragma once

#include <string>

namespace millrace::executor {

/// Classic BPF instructions (struct sock_filter, 8 bytes each) for bwrap --seccomp. Refused calls answer EPERM; those of
/// another architecture, clone3 and io_uring answer ENOSYS, so that libraries fall back; socket families other than
/// unix, IPv4, IPv6 and netlink answer EAFNOSUPPORT. Everything else is allowed.
std::string seccomp_filter();

}  // namespace millrace::executor
