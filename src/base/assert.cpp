#include "base/assert.hpp"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

namespace pebbles {
namespace {

void (*last_act)() noexcept = nullptr;

void do_last_act() noexcept {
  if (last_act != nullptr) last_act();
}

}  // namespace

void set_last_act(void (*act)() noexcept) { last_act = act; }

void assertion_failed(std::string_view condition, std::string_view reason, std::string_view file, int line) noexcept {
  do_last_act();
  fmt::print(stderr, "pebbles: bug: {} ({}) at {}:{}\n", reason, condition, file, line);
  std::fflush(stderr);
  std::abort();
}

void fatal(std::string_view reason) noexcept {
  do_last_act();
  fmt::print(stderr, "pebbles: fatal: {}\n", reason);
  std::fflush(stderr);
  std::_Exit(70);  // EX_SOFTWARE of sysexits.h
}

}  // namespace pebbles
