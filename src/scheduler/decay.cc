#include "scheduler/decay.h"

#include <cstdint>

namespace millrace::scheduler {

double remaining(std::chrono::microseconds elapsed, std::chrono::microseconds half_life) {
  if (elapsed.count() <= 0) return 1.0;
  if (half_life.count() <= 0) return 0.0;
  std::int64_t halvings = elapsed / half_life;
  if (halvings > 60) return 0.0;
  const double rest =
      static_cast<double>(elapsed.count() % half_life.count()) / static_cast<double>(half_life.count());
  // exp(-rest ln 2) by its Taylor series: the twelfth term is below 1e-11 for rest < 1.
  const double x = -0.69314718055994530942 * rest;
  double term = 1.0;
  double sum = 1.0;
  for (int i = 1; i <= 12; ++i) {
    term = term * x / static_cast<double>(i);
    sum += term;
  }
  for (; halvings > 0; --halvings) sum *= 0.5;
  return sum;
}

}  // namespace millrace::scheduler
