// Eight bytes at a time in and out of a journal's memory, which another thread reads while it is written.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace millrace::ledger {

/// A reader sees each word old or new, never half of it. Both addresses are multiples of 8; `bytes` is rounded up to one.
inline void store_words(void* to, const void* from, std::size_t bytes) {
  auto* words = static_cast<std::uint64_t*>(to);
  for (std::size_t i = 0; i < (bytes + 7) / 8; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(from) + i * 8, 8);
    std::atomic_ref(words[i]).store(word, std::memory_order_relaxed);
  }
}

/// `from` is memory that may be written meanwhile.
inline void load_words(void* to, std::uint8_t* from, std::size_t bytes) {
  auto* words = reinterpret_cast<std::uint64_t*>(from);
  for (std::size_t i = 0; i < (bytes + 7) / 8; ++i) {
    const std::uint64_t word = std::atomic_ref(words[i]).load(std::memory_order_relaxed);
    std::memcpy(static_cast<char*>(to) + i * 8, &word, 8);
  }
}

}  // namespace millrace::ledger
