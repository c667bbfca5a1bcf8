#include "store/mongo/conversion.hpp"

#include <algorithm>
#include <chrono>

#include "store/mongo/bulk.hpp"
#include "store/mongo/documents.hpp"
#include "store/mongo/summaries.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds fast{250};
constexpr std::int32_t find_ms_max = 2'000;  // far from the heartbeat that is waiting

/// What a document lacks.
struct Lacking {
  Bson which;  ///< only as long as it stands there like this: an update that came in between has dates
  Bson times;
  bool has_state = false;
  bool has_any = false;
};

Lacking look_at(const bson_t* document) {
  Lacking out;
  Timestamp last;
  bool is_completed = false, has_completion = false;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "createdAt" || name == "updatedAt") {
      const auto time = time_of(member);
      last = std::max(last, time.time);
      if (!time.is_text) return;
      out.which.text(name, text_of(member));
      out.times.time(name, time.time);
      out.has_any = true;
    } else if (name == "completedAt" || name == "version") {
      has_completion = true;  // or will have it when it completes
    } else if (name == "state") {
      out.has_state = true;
    } else {
      if (name == "isCompleted") is_completed = BSON_ITER_HOLDS_BOOL(&member) && bson_iter_bool(&member);
      bson_append_iter(out.which.get(), nullptr, -1, &member);
    }
  });
  // As it is read: nothing has changed it since it was complete. Where no time can be read, none is made up: retention
  // would take the file for old.
  const bool is_undated = is_completed && !has_completion && last > Timestamp{};
  if (is_undated) out.times.time("completedAt", last);
  out.has_any = out.has_any || is_undated || !out.has_state;
  return out;
}

void convert(Writes& writes, Lacking& lacking) {
  Bson change;
  lacking.times.document("state", state_expression());
  change.document("$set", lacking.times);
  BsonArray pipeline;
  pipeline.add([&](Bson& array, std::string_view key) { array.document(key, change); });
  writes.update(lacking.which, pipeline.get());
}

/// By `min` rather than by a filter, which would compare within one type alone: an earlier service may have given its
/// documents an `_id` of any.
Bson page_options(const Bson& from, std::int64_t size) {
  Bson by_id, fields, out;
  by_id.small("_id", 1);
  for (const std::string_view name :
       {"clientKrn", "filename", "email", "createdAt", "updatedAt", "isCompleted", "completedAt", "version", "state"})
    fields.small(name, 1);
  out.document("min", from).document("hint", by_id).document("sort", by_id).document("projection", fields);
  out.integer("limit", size).integer("batchSize", size).small("maxTimeMS", find_ms_max);
  return out;
}

Bson only_id_of(const bson_t* document) {
  Bson out;
  each_member(document, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "_id") bson_append_iter(out.get(), nullptr, -1, &member);
  });
  return out;
}

}  // namespace

void Conversion::begin() {
  from_ = Bson{};
  from_.min_key("_id");
  looked_at_ = converted_ = 0;
}

Result<bool> Conversion::step(Shared& shared, const Lease& lease) {
  const auto progress = shared.collection(lease, progress_name);
  const auto began = steady_clock::now();
  auto more = convert_page(progress.get());
  if (!more)
    page_ = page_min;
  else
    page_ = std::clamp(steady_clock::now() - began < fast ? page_ * 2 : page_ / 2, page_min, page_max);
  if (more && !*more) {
    telemetry::documents_converted(looked_at_, converted_);
    begin();
  }
  return more;
}

Result<bool> Conversion::convert_page(mongoc_collection_t* progress) {
  Writes writes{progress, nullptr};
  std::int64_t found = 0, lacked = 0;
  Bson last;
  PEBBLES_TRY_VOID(find(progress, Bson{}, page_options(from_, page_), [&](const bson_t* document) {
    auto lacking = look_at(document);
    if (lacking.has_any) {
      convert(writes, lacking);
      ++lacked;
    }
    if (++found == page_) last = only_id_of(document);
    return true;
  }));
  if (!writes.empty()) {
    BulkReply done;
    const auto fault = writes.execute(done);
    if (fault && done.errors.empty()) return std::unexpected{fault->to_error()};
    // What is refused alone, by a validation rule say, must not keep the others from their turn.
    if (fault) telemetry::driver_warned(progress_name, fault->text);
  }
  looked_at_ += found;
  converted_ += lacked;
  if (found < page_) return false;
  from_ = std::move(last);
  return true;
}

}  // namespace pebbles::store::mongo
