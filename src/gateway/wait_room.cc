#include "gateway/wait_room.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace millrace::gateway {
namespace {

constexpr std::chrono::milliseconds kTick{250};

}  // namespace

WaitRoom::~WaitRoom() {
  if (timer_ != 0) loop_.cancel(timer_);
  if (freed_timer_ != 0) loop_.cancel(freed_timer_);
}

void WaitRoom::let_in_soon(const std::string& endpoint) {
  freed_.insert(endpoint);
  if (freed_timer_ != 0) return;
  freed_timer_ = loop_.call_after(std::chrono::nanoseconds{0}, [this] {
    freed_timer_ = 0;
    for (const auto& name : std::exchange(freed_, {})) let_in(name);
  });
}

bool WaitRoom::enter(Waiter& waiter, const std::string& endpoint, MonotonicPoint until) {
  Queue& queue = queues_[endpoint];
  if (queue.size() >= kMost) return false;
  queue.push_back({&waiter, until, loop_.now() + kWord});
  arm();
  changed_();
  return true;
}

void WaitRoom::leave(Waiter& waiter, std::string_view endpoint) {
  const auto queue = queues_.find(endpoint);
  if (queue == queues_.end()) return;
  const auto place = std::ranges::find(queue->second, &waiter, &Place::waiter);
  if (place == queue->second.end()) return;
  queue->second.erase(place);
  if (queue->second.empty()) queues_.erase(queue);
  changed_();
}

std::size_t WaitRoom::count(std::string_view endpoint) const {
  const auto queue = queues_.find(endpoint);
  return queue == queues_.end() ? 0 : queue->second.size();
}

void WaitRoom::let_in(std::string_view endpoint) {
  for (auto queue = queues_.find(endpoint); queue != queues_.end(); queue = queues_.find(endpoint)) {
    Waiter* const first = queue->second.front().waiter;
    if (!first->try_replica()) return;
    leave(*first, endpoint);
  }
}

void WaitRoom::let_all_in() {
  std::vector<std::string> names;
  for (const auto& [name, queue] : queues_) names.push_back(name);
  for (const auto& name : names) let_in(name);
}

void WaitRoom::arm() {
  if (timer_ != 0 || queues_.empty()) return;
  timer_ = loop_.call_after(kTick, [this] {
    timer_ = 0;
    tick();
    arm();
  });
}

void WaitRoom::tick() {
  const MonotonicPoint now = loop_.now();
  std::vector<std::pair<Waiter*, std::string>> late, patient;
  for (auto& [name, queue] : queues_) {
    for (Place& place : queue) {
      if (place.until <= now) {
        late.emplace_back(place.waiter, name);
      } else if (place.word_at <= now) {
        place.word_at = now + kWord;
        patient.emplace_back(place.waiter, name);
      }
    }
  }
  // Only the one that is called may go meanwhile.
  for (const auto& [waiter, name] : late) {
    leave(*waiter, name);
    waiter->waited_in_vain();
  }
  for (const auto& [waiter, name] : patient) waiter->still_waiting();
}

}  // namespace millrace::gateway
