// Channel: what the sandbox's first process and its supervisor tell each other, over a SOCK_SEQPACKET pair.
#pragma once

#include <cstdint>

namespace millrace::executor::inside {

// From the sandbox. The kernel adds the sender's pid, as the supervisor sees it.
inline constexpr char kHello = 'h';       // the first process is there and waits for kGo
inline constexpr char kUnpacked = 'u';    // the archive is unpacked; waits for kGo
inline constexpr char kProgram = 'p';     // sent by the process that is about to become the program
inline constexpr char kRunning = 'r';     // the program was executed
inline constexpr char kNotStarted = 'n';  // followed by a text: it will not be
inline constexpr char kEnded = 'e';       // followed by Ended

// To the sandbox.
inline constexpr char kGo = 'g';
inline constexpr char kKill = 'k';  // end every process but the first

/// Of the program and all its descendants, once none is left.
struct Ended {
  std::int32_t wait_status = 0;  // of the program, as waitpid(2) gives it
  std::int64_t cpu_time_us = 0;
  std::int64_t memory_peak_bytes = 0;  // of the largest process
};

// Instructions: strings, each ended by NUL, in pairs of a name and a value.
//   uid N        become this user and group and give up all power       own PATH     give it the file, mode 0400
//   workdir PATH where the program starts                               unpack FD    of a tar, into the workdir, first
//   arg TEXT     the program and its arguments, one by one
inline constexpr int kMaxInstructionBytes = 4 << 20;

}  // namespace millrace::executor::inside
