// Forwarder: ports at 127.0.0.1 of a sandbox, whose connections are passed to sockets of the host.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "executor/executor.h"
#include "executor/spec.h"
#include "host/fd.h"

namespace millrace::executor {

/// Listening sockets at 127.0.0.1:<port> in the network namespace of the process `inside`, one for each forward, in their
/// order. With `own_user_namespace` the owner of that namespace is entered first (an unprivileged caller may do that). A child
/// process enters for the caller, which stays where it is: single-threaded callers only.
Result<std::vector<host::Fd>> listen_inside(pid_t inside, const std::vector<Forward>& forwards,
                                            bool own_user_namespace);

/// Passes bytes both ways, each direction until its sender has finished. Part of the caller's poll loop; one thread.
class Forwarder {
 public:
  static constexpr std::size_t kMaxConnections = 256;    // more wait in the kernel until one ends
  static constexpr std::size_t kBufferBytes = 32 << 10;  // of one direction

  Forwarder(std::vector<host::Fd> listeners, const std::vector<Forward>& forwards);

  /// Appends what it waits for. Nothing is ready for long without being asked for: no busy loop.
  void add_to(std::vector<pollfd>& items);
  /// Takes the answers to what the last add_to appended, the first at items[at].
  void handle(const std::vector<pollfd>& items, std::size_t at);
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Direction {
    std::string buffer;
    bool ended = false;  // its sender has finished
    bool shut = false;   // and the other side was told
  };
  struct Connection {
    host::Fd inside, outside;
    bool connecting = false;  // `outside` is not there yet
    Direction out, in;        // from inside to outside, and back
  };
  void accept(std::size_t listener);
  static Result<host::Fd> connect_to(const ForwardTarget& target, bool& connecting);
  static short wants(const Connection& connection, const Direction& from, const Direction& to);
  static bool fill(int from, Direction& direction);
  static bool drain(int to, Direction& direction);
  static bool step(Connection& connection, short inside, short outside);

  std::vector<host::Fd> listeners_;
  std::vector<ForwardTarget> targets_;
  std::list<Connection> connections_;
};

}  // namespace millrace::executor
