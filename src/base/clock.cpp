#include "base/clock.hpp"

namespace pebbles {
namespace {

void put_digits(char* out, unsigned value, int digits) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

std::optional<unsigned> digits_of(std::string_view text) {
  unsigned out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + static_cast<unsigned>(c - '0');
  }
  return out;
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

std::optional<Timestamp> from_rfc3339(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() <= form.size() || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] != '0' && text[i] != form[i]) return std::nullopt;
  const auto year = digits_of(text.substr(0, 4)), month = digits_of(text.substr(5, 2)),
             day = digits_of(text.substr(8, 2)), hour = digits_of(text.substr(11, 2)),
             minute = digits_of(text.substr(14, 2)), second = digits_of(text.substr(17, 2));
  if (!year || !month || !day || !hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 60)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)}, std::chrono::month{*month},
                                         std::chrono::day{*day}};
  if (!date.ok()) return std::nullopt;
  auto fraction = text.substr(form.size(), text.size() - form.size() - 1);
  unsigned milliseconds = 0;
  if (!fraction.empty()) {
    fraction.remove_prefix(1);
    const auto digits = digits_of(fraction.substr(0, 3));
    if (text[form.size()] != '.' || fraction.empty() || fraction.size() > 18 || !digits || !digits_of(fraction))
      return std::nullopt;
    milliseconds = *digits * (fraction.size() == 1 ? 100 : fraction.size() == 2 ? 10 : 1);
  }
  return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{*second} + std::chrono::milliseconds{milliseconds};
}

}  // namespace pebbles
