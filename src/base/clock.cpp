#include "base/clock.hpp"

namespace pebbles {
namespace {

void put_digits(char* out, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

Timestamp SystemClock::now() const {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

void append_rfc3339(std::string& out, Timestamp time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char text[] = "0000-00-00T00:00:00.000Z";
  put_digits(text, static_cast<unsigned>(int{date.year()}), 4);
  put_digits(text + 5, unsigned{date.month()}, 2);
  put_digits(text + 8, unsigned{date.day()}, 2);
  put_digits(text + 11, static_cast<unsigned>(clock.hours().count()), 2);
  put_digits(text + 14, static_cast<unsigned>(clock.minutes().count()), 2);
  put_digits(text + 17, static_cast<unsigned>(clock.seconds().count()), 2);
  put_digits(text + 20, static_cast<unsigned>(clock.subseconds().count()), 3);
  out.append(text, sizeof text - 1);
}

std::string to_rfc3339(Timestamp time) {
  std::string out;
  append_rfc3339(out, time);
  return out;
}

}  // namespace pebbles
