// WaitRoom: requests that wait for a replica to start or for one of its slots, first come, first served.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "net/loop.h"

namespace millrace::gateway {

/// One that waits. It leaves the room by itself when it ends.
class Waiter {
 public:
  /// There may be a replica with room now, or none will come any more: go on and answer true, or stay and answer false. It
  /// must not leave by itself meanwhile.
  virtual bool try_replica() = 0;
  /// Nothing has changed; said every few seconds.
  virtual void still_waiting() = 0;
  /// Its time is over; it has left.
  virtual void waited_in_vain() = 0;

 protected:
  ~Waiter() = default;
};

/// One thread: the loop's. The room must live until the loop has ended or every waiter has left.
class WaitRoom {
 public:
  static constexpr std::size_t kMost = 1000;  // for each endpoint
  static constexpr std::chrono::seconds kWord{3};

  WaitRoom(net::Loop& loop, std::function<void()> changed) : loop_(loop), changed_(std::move(changed)) {}
  ~WaitRoom();
  WaitRoom(const WaitRoom&) = delete;
  WaitRoom& operator=(const WaitRoom&) = delete;

  /// False if there is no place left.
  bool enter(Waiter& waiter, const std::string& endpoint, MonotonicPoint until);
  void leave(Waiter& waiter, std::string_view endpoint);
  std::size_t count(std::string_view endpoint) const;
  bool empty() const { return queues_.empty(); }

  /// Replicas came, or a slot became free: lets in who finds a place. Of all endpoints if none is named.
  void let_in(std::string_view endpoint);
  void let_all_in();
  /// The same when the event in hand is over.
  void let_in_soon(const std::string& endpoint);

 private:
  struct Place {
    Waiter* waiter = nullptr;
    MonotonicPoint until{}, word_at{};
  };
  using Queue = std::deque<Place>;

  void arm();
  void tick();

  net::Loop& loop_;
  const std::function<void()> changed_;               // who waits has changed
  std::map<std::string, Queue, std::less<>> queues_;  // none is empty
  net::TimerId timer_ = 0;                            // 0: none is set
  std::set<std::string> freed_;                       // asked for by let_in_soon
  net::TimerId freed_timer_ = 0;                      // 0: none is set
};

}  // namespace millrace::gateway
