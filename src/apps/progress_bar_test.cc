#include "apps/progress_bar.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <limits>

#include "host/fd.h"

namespace millrace::apps {
namespace {

class StoppedClock final : public Clock {
 public:
  TimePoint now() const override { return {}; }
  MonotonicPoint monotonic() const override { return time; }
  MonotonicPoint time{};
};

TEST(ProgressBar, TellsPartElapsedAndLeft) {
  EXPECT_EQ(progress_line(0.455, "placing", 10, 80),
            "[#########           ]  45 %  10 s, about 12 s to go  placing");
  EXPECT_EQ(progress_line(0.5, "", 1, 80), "[##########          ]  50 %  1 s");
  EXPECT_EQ(progress_line(1, "", 200, 80), "[####################] 100 %  3 min");
}

TEST(ProgressBar, FitsTheTerminalAndTakesAnyPart) {
  EXPECT_EQ(progress_line(0.455, "placing", 10, 31).size(), 30u);
  EXPECT_EQ(progress_line(0.455, "placing", 10, 0), "");
  EXPECT_EQ(progress_line(-3, "", 0, 80), "[                    ]   0 %  0 s");
  EXPECT_EQ(progress_line(std::numeric_limits<double>::quiet_NaN(), "", 0, 80), progress_line(0, "", 0, 80));
}

TEST(ProgressBar, IsSilentWhereThereIsNoTerminal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC), 0);
  const host::Fd from(ends[0]), to(ends[1]);
  {
    StoppedClock clock;
    ProgressBar bar(clock, to.get());
    EXPECT_FALSE(bar.callback());
    bar.show(0.5, "");
  }
  char byte = 0;
  EXPECT_EQ(read(from.get(), &byte, 1), -1);
}

TEST(ProgressBar, DrawsOnATerminalAtMostTenTimesASecondAndClearsTheLine) {
  const host::Fd master(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_GE(master.get(), 0);
  ASSERT_EQ(grantpt(master.get()), 0);
  ASSERT_EQ(unlockpt(master.get()), 0);
  const host::Fd terminal(open(ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_GE(terminal.get(), 0);
  {
    StoppedClock clock;
    ProgressBar bar(clock, terminal.get());
    const auto show = bar.callback();
    ASSERT_TRUE(show);
    show(0.1, "first");
    show(0.2, "second");  // the clock stands still
    clock.time += std::chrono::milliseconds(100);
    show(0.3, "third");
    show(1, "last");
  }
  // The kernel hands over what was written piece by piece.
  std::string text;
  pollfd wait{.fd = master.get(), .events = POLLIN, .revents = 0};
  while (!text.ends_with("\r\x1b[K") && poll(&wait, 1, 10'000) == 1) {
    std::array<char, 1024> piece{};
    const auto got = read(master.get(), piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  EXPECT_NE(text.find("first"), std::string::npos);
  EXPECT_EQ(text.find("second"), std::string::npos);
  EXPECT_NE(text.find("third"), std::string::npos);
  EXPECT_NE(text.find("100 %"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\x1b[K")) << text;
}

}  // namespace
}  // namespace millrace::apps
