#include "egress/query/places.hpp"

#include <algorithm>
#include <limits>

namespace pebbles::query {
namespace {

using store::ListOrder;

constexpr std::int64_t index_max = std::numeric_limits<std::int32_t>::max();
/// As RFC 3339 writes times, which is how some of them are compared.
constexpr Timestamp time_min{std::chrono::sys_days{std::chrono::year{0} / 1 / 1}};
constexpr Timestamp time_max{std::chrono::sys_days{std::chrono::year{10'000} / 1 / 1} - std::chrono::milliseconds{1}};

void append_place_number(std::string& out, std::int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>(static_cast<std::uint64_t>(number) >> static_cast<unsigned>(shift));
}

/// Takes bytes from the front, until something is wrong; whether that was so is asked at the end.
class PlaceReader {
 public:
  explicit PlaceReader(std::string_view bytes) : rest_{bytes} {}

  std::int64_t number(std::int64_t min, std::int64_t max) {
    std::uint64_t out = 0;
    for (const char byte : take(8)) out = out << 8U | static_cast<std::uint8_t>(byte);
    const auto value = static_cast<std::int64_t>(out);
    good_ = good_ && value >= min && value <= max;
    return good_ ? value : min;
  }
  bool truth() {
    const auto byte = take(1);
    good_ = good_ && (byte[0] == 0 || byte[0] == 1);
    return good_ && byte[0] == 1;
  }
  domain::FileId id() {
    domain::FileId out{};
    const auto bytes = take(out.size());
    if (good_) std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(out.data()));
    return out;
  }
  std::string_view rest() { return take(rest_.size()); }
  void require(bool condition) { good_ = good_ && condition; }

  /// Nullopt unless all was there, and nothing else.
  template <class T>
  std::optional<T> finish(T place) const {
    if (!good_ || !rest_.empty()) return std::nullopt;
    return place;
  }

 private:
  std::string_view take(std::size_t bytes) {
    good_ = good_ && bytes <= rest_.size();
    if (!good_) return {};
    const auto out = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return out;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string encode(const ItemPosition& place) {
  std::string out;
  for (const auto number : {place.version, place.index, place.seen}) append_place_number(out, number);
  return out += static_cast<char>(place.in_life);
}

std::string encode(const HistoryPosition& place) {
  std::string out;
  append_place_number(out, place.version);
  return out += static_cast<char>(place.in_life);
}

std::string encode(const store::FeedPosition& place) {
  std::string out;
  append_place_number(out, place.place);
  append_place_number(out, place.given);
  return out;
}

std::optional<std::string> encode(const store::ListSort& sort, const store::ListPosition& place) {
  std::string out;
  if (sort.by == ListOrder::updated) {
    const auto time = std::clamp(place.updated_at, time_min, time_max);
    const bool leads_back = sort.descending ? time > place.updated_at : time < place.updated_at;
    if (leads_back) return std::nullopt;
    append_place_number(out, time.time_since_epoch().count());
  }
  out.append(reinterpret_cast<const char*>(place.id.data()), place.id.size());
  if (sort.by == ListOrder::filename) out += *place.filename;
  return out;
}

std::optional<ItemPosition> decode_item(std::string_view bytes) {
  PlaceReader in{bytes};
  ItemPosition out;
  out.version = in.number(0, domain::count_max);
  out.index = in.number(0, index_max);
  out.seen = in.number(0, domain::count_max);
  out.in_life = in.truth();
  in.require(out.index <= out.seen);
  return in.finish(out);
}

std::optional<HistoryPosition> decode_history(std::string_view bytes) {
  PlaceReader in{bytes};
  HistoryPosition out;
  out.version = in.number(0, domain::count_max);
  out.in_life = in.truth();
  return in.finish(out);
}

std::optional<store::FeedPosition> decode_feed(std::string_view bytes) {
  PlaceReader in{bytes};
  store::FeedPosition out;
  out.place = in.number(0, std::numeric_limits<std::int64_t>::max());
  out.given = in.number(0, index_max);
  in.require(out.place > 0 || out.given == 0);
  return in.finish(out);
}

std::optional<store::ListPosition> decode_list(const store::ListQuery& list, std::string_view bytes) {
  PlaceReader in{bytes};
  store::ListPosition out;
  if (list.sort.by == ListOrder::updated)
    out.updated_at = Timestamp{
        std::chrono::milliseconds{in.number(time_min.time_since_epoch().count(), time_max.time_since_epoch().count())}};
  out.id = in.id();
  if (list.sort.by == ListOrder::filename) {
    const auto filename = in.rest();
    in.require(!filename.empty() && filename.starts_with(list.filename_prefix));
    out.filename = domain::Filename{std::string{filename}};
  }
  return in.finish(std::move(out));
}

}  // namespace pebbles::query
