// Rng: the port through which all code draws random numbers; a seeded one replays.
#pragma once

#include <cstdint>

namespace millrace {

/// Not thread-safe unless an implementation says so.
class Rng {
 public:
  virtual ~Rng() = default;
  /// Uniform over all 64-bit values.
  virtual std::uint64_t next() = 0;
};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014). For tests and
/// simulation only: never for keys.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace millrace
