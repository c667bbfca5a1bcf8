import com.google.gson.GsonBuilder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.ProgressApi;
import org.openapitools.client.api.ServiceApi;
import org.openapitools.client.auth.HttpBearerAuth;
import org.openapitools.client.model.*;

/** What generated_clients_test.py does with openapi-generator's client for Java: URL TOKEN CLIENT_KRN. */
public class Main {
  static final long largest = (1L << 53) - 1;

  public static void main(String[] arguments) throws Exception {
    ApiClient client = new ApiClient().setBasePath(arguments[0]);
    ((HttpBearerAuth) client.getAuthentication("bearer")).setBearerToken(arguments[1]);
    String krn = arguments[2];
    ProgressApi api = new ProgressApi(client);

    Update update = new Update().filename("a.csv").counts(new AddedCounts().done(largest).warn(0L).failed(1L))
        .addErrorsItem(new ReportedItem().line(largest).message("Not a date").code("E-17"));
    UpdateResult created = api.reportProgress(krn, update).idempotencyKey("\"run-7/1\"").execute();
    var again = api.reportProgress(krn, update).idempotencyKey("\"run-7/1\"").executeWithHttpInfo();
    ProgressRecord record = api.readProgress(krn).filename("a.csv").execute().getProgressRecord();
    ProgressRecord byId = api.readProgressById(krn, record.getId()).execute();
    Update other = new Update().filename("b.csv").counts(new AddedCounts().done(1L).warn(0L).failed(0L)).total(largest);
    Batch both = new Batch(List.of(other, update));
    BatchResult batch = api.reportBatch(krn, both).idempotencyKey("\"run-8\"").execute();
    BatchUpdateCounted counted = batch.getResults().get(0).getBatchUpdateCounted();
    BatchUpdateProblem problem = batch.getResults().get(1).getBatchUpdateProblem();
    List<ListedRecord> listed = api.readProgress(krn).sort(SortOrder.FILENAME).execute().getListListedRecord();
    List<String> names = new ArrayList<>();
    for (ListedRecord one : listed) names.add(one.getFilename());
    SentItem item = api.readErrors(krn, record.getId()).execute().get(0);
    HistoryEvent event = api.readHistory(krn, record.getId()).execute().get(0);
    Feed feed = api.readFeed(krn).limit(1L).execute();
    Summary summary = api.readSummary(krn).execute();
    Problem missing = null;
    try {
      api.readProgress(krn).filename("missing.csv").execute();
    } catch (ApiException error) {
      missing = Problem.fromJson(error.getResponseBody());
    }
    String health = new ServiceApi(client).readHealth().execute();
    api.deleteProgress(krn, listed.get(1).getId()).execute();

    Map<String, Object> out = new LinkedHashMap<>();
    out.put("result", created.getResult());
    out.put("replayed", again.getHeaders().get("idempotent-replayed").get(0));
    out.put("done", record.getCounts().getDone());
    out.put("total", record.getTotal());
    out.put("completedAt", record.getCompletedAt());
    out.put("created", record.getCreatedAt().getYear() > 2000);
    out.put("sameId", byId.getId().equals(record.getId()));
    out.put("succeeded", batch.getSucceeded());
    out.put("counted", Arrays.asList(counted.getStatus(), counted.getResult(), counted.getTotal()));
    out.put("problem", Arrays.asList(problem.getStatus(), problem.getError()));
    out.put("listed", names);
    out.put("line", item.getLine());
    out.put("code", item.getCode());
    out.put("channel", event.getChannel());
    out.put("position", event.getPosition());
    out.put("feed", Arrays.asList(feed.getEvents().size(), feed.getEvents().get(0).getFilename(), feed.getMore()));
    out.put("files", summary.getFiles());
    out.put("missing", Arrays.asList(missing.getClass().getSimpleName(), missing.getStatus(), missing.getError()));
    out.put("health", !health.isEmpty());
    System.out.println(new GsonBuilder().serializeNulls().create().toJson(out));
    System.exit(0);  // without waiting for idle connections
  }
}
