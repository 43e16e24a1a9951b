#include "net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace millrace::net {

Deferred::~Deferred() {
  if (loop_ == nullptr) return;
  std::ranges::replace(loop_->deferred_, this, nullptr);
}

Deadline::~Deadline() {
  if (loop_ != nullptr) loop_->unlink(*this);
}

/// The eventfd that ends a wait from another thread.
class Loop::Waker final : public FdHandler {
 public:
  explicit Waker(host::Fd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }
  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written =
        ::write(fd_.get(), &one, sizeof one);  // full means: it will wake anyway
  }
  void on_events(std::uint32_t) override {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(fd_.get(), &count, sizeof count);
  }

 private:
  host::Fd fd_;
};

class Loop::Timer final : public Deadline {
 public:
  Timer(Loop& loop, TimerId id, Function function) : owner_(loop), id_(id), function_(std::move(function)) {}
  void on_deadline() override {
    Function function = std::move(function_);
    owner_.timers_.erase(id_);  // destroys this
    function();
  }

 private:
  Loop& owner_;
  const TimerId id_;
  Function function_;
};

Result<std::unique_ptr<Loop>> Loop::create(const Clock& clock) {
  host::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return std::unexpected(errno_error("create an epoll instance", errno));
  host::Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return std::unexpected(errno_error("create an eventfd", errno));
  std::unique_ptr<Loop> loop(new Loop(clock, std::move(epoll)));
  loop->waker_ = std::make_unique<Waker>(std::move(wake));
  TRY_VOID(loop->watch(loop->waker_->fd(), EPOLLIN, *loop->waker_));
  return loop;
}

Loop::Loop(const Clock& clock, host::Fd epoll)
    : clock_(clock),
      epoll_(std::move(epoll)),
      scratch_(std::make_unique<char[]>(kScratchBytes)),
      start_(clock.monotonic()),
      now_(start_),
      wheel_(kSlots, nullptr) {}

Loop::~Loop() {
  timers_.clear();
  posted_.clear();
}

void Loop::run() {
  while (true) {
    {
      const std::scoped_lock lock(mutex_);
      if (stop_ && posted_.empty()) {
        stop_ = false;
        return;
      }
    }
    run_once(std::chrono::hours{1});
  }
}

void Loop::run_once(std::chrono::milliseconds wait) {
  refresh_now();
  in_round_ = true;
  serve_deferred();
  batch_size_ = ::epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_.size()), wait_ms(wait));
  {
    const std::scoped_lock lock(mutex_);
    awake_ = true;
  }
  refresh_now();
  for (batch_at_ = 0; batch_at_ < batch_size_;) {
    const epoll_event& event = batch_[static_cast<std::size_t>(batch_at_++)];
    if (event.data.ptr == nullptr) continue;  // unwatched by an earlier event of this batch
    static_cast<FdHandler*>(event.data.ptr)->on_events(event.events);
    if (deferred_.size() >= kDeferredMax) serve_deferred();
  }
  batch_size_ = 0;
  serve_deferred();
  serve_deadlines();
  serve_posted();
  in_round_ = false;
}

void Loop::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  waker_->wake();
}

void Loop::post(Function function) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(function));
    wake = !awake_;
    awake_ = true;
  }
  if (wake) waker_->wake();
}

TimerId Loop::call_after(std::chrono::nanoseconds delay, Function function) {
  const TimerId id = next_timer_++;
  auto& timer = timers_[id] = std::make_unique<Timer>(*this, id, std::move(function));
  set_deadline(*timer, delay);
  return id;
}

void Loop::cancel(TimerId id) { timers_.erase(id); }

void Loop::set_deadline(Deadline& deadline, std::chrono::nanoseconds delay) {
  if (!in_round_) refresh_now();
  const auto from_start = now_ - start_ + std::max(delay, std::chrono::nanoseconds{0});
  const std::int64_t tick =
      std::max(served_tick_ + 1, std::chrono::ceil<std::chrono::milliseconds>(from_start) / kTick + 1);
  deadline.due_tick_ = tick;
  if (deadline.loop_ != nullptr) {
    // The link stands in an earlier slot: when that comes round, the deadline moves on.
    if (deadline.linked_tick_ != kServing && deadline.linked_tick_ <= tick) return;
    unlink(deadline);
  }
  link(deadline);
}

void Loop::defer(Deferred& deferred) {
  if (deferred.loop_ != nullptr) return;
  deferred.loop_ = this;
  deferred_.push_back(&deferred);
}

Result<void> Loop::watch(int fd, std::uint32_t events, FdHandler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return std::unexpected(errno_error("watch a file descriptor", errno));
  }
  return {};
}

void Loop::modify(int fd, std::uint32_t events, FdHandler& handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &handler;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::unwatch(int fd, FdHandler& handler) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = batch_at_; i < batch_size_; ++i) {
    auto& event = batch_[static_cast<std::size_t>(i)];
    if (event.data.ptr == &handler) event.data.ptr = nullptr;
  }
}

int Loop::wait_ms(std::chrono::milliseconds limit) {
  {
    const std::scoped_lock lock(mutex_);
    if (!posted_.empty() || stop_) return 0;
    awake_ = false;
  }
  const std::int64_t tick = next_occupied_tick();
  if (tick >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(start_ + tick * kTick - now_);
    limit = std::clamp(left, std::chrono::milliseconds{0}, limit);
  }
  return static_cast<int>(limit.count());
}

/// Tick of the next slot that may hold links, -1 if there is none.
std::int64_t Loop::next_occupied_tick() const {
  constexpr std::int64_t kWords = kSlots / 64;
  const std::int64_t first = served_tick_ + 1;
  const auto first_slot = first & (kSlots - 1);
  for (std::int64_t i = 0; i <= kWords; ++i) {
    const auto word = (first_slot / 64 + i) % kWords;
    std::uint64_t bits = occupied_[static_cast<std::size_t>(word)];
    const auto offset = first_slot % 64;
    if (i == 0) bits &= ~0ULL << offset;
    if (i == kWords) bits &= offset == 0 ? 0 : ~0ULL >> (64 - offset);
    if (bits != 0) return first + ((word * 64 + std::countr_zero(bits) - first_slot) & (kSlots - 1));
  }
  return -1;
}

Deadline*& Loop::list_of(const Deadline& deadline) {
  if (deadline.linked_tick_ == kServing) return serving_;
  return wheel_[static_cast<std::size_t>(deadline.linked_tick_ & (kSlots - 1))];
}

void Loop::link(Deadline& deadline) {
  deadline.loop_ = this;
  deadline.linked_tick_ = std::min(deadline.due_tick_, served_tick_ + kSlots - 1);
  Deadline*& list = list_of(deadline);
  deadline.previous_ = nullptr;
  deadline.next_ = list;
  if (list != nullptr) list->previous_ = &deadline;
  list = &deadline;
  const auto slot = static_cast<std::uint64_t>(deadline.linked_tick_ & (kSlots - 1));
  occupied_[slot / 64] |= 1ULL << (slot % 64);
}

void Loop::unlink(Deadline& deadline) {
  if (deadline.previous_ != nullptr) {
    deadline.previous_->next_ = deadline.next_;
  } else {
    list_of(deadline) = deadline.next_;
  }
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.loop_ = nullptr;
  deadline.next_ = deadline.previous_ = nullptr;
}

void Loop::serve_deadlines() {
  const std::int64_t now_tick = (now_ - start_) / kTick;
  const std::int64_t first = std::max(served_tick_ + 1, now_tick - kSlots + 1);
  for (std::int64_t tick = first; tick <= now_tick; ++tick) {
    const auto slot = static_cast<std::size_t>(tick & (kSlots - 1));
    if ((occupied_[slot / 64] >> (slot % 64) & 1) == 0) continue;
    occupied_[slot / 64] &= ~(1ULL << (slot % 64));
    served_tick_ = tick;  // links made below land in later slots
    serving_ = std::exchange(wheel_[slot], nullptr);
    for (Deadline* at = serving_; at != nullptr; at = at->next_) at->linked_tick_ = kServing;
    while (serving_ != nullptr) {
      Deadline& deadline = *serving_;
      unlink(deadline);
      if (deadline.due_tick_ < 0) continue;
      if (deadline.due_tick_ > now_tick) {
        link(deadline);
        continue;
      }
      deadline.due_tick_ = -1;
      deadline.on_deadline();
      if (!deferred_.empty()) serve_deferred();
    }
  }
  served_tick_ = std::max(served_tick_, now_tick);
}

void Loop::serve_posted() {
  std::vector<Function> functions;
  {
    const std::scoped_lock lock(mutex_);
    functions.swap(posted_);
  }
  for (auto& function : functions) {
    function();
    if (!deferred_.empty()) serve_deferred();
  }
}

void Loop::serve_deferred() {
  for (std::size_t i = 0; i < deferred_.size(); ++i) {
    Deferred* deferred = std::exchange(deferred_[i], nullptr);
    if (deferred == nullptr) continue;
    deferred->loop_ = nullptr;
    deferred->run_deferred();
  }
  deferred_.clear();
}

}  // namespace millrace::net
