import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends a record to a topic and prints every metric that Java's producer has then, a line each: group, name and the
 * names of its tags, separated by tabs.
 */
public class ProducerMetrics {
    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
        var lines = new TreeSet<String>();
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(arguments[1], "key", "value")).get();
            for (var metric : producer.metrics().keySet()) {
                String tags = String.join(",", new TreeSet<>(metric.tags().keySet()));
                lines.add(metric.group() + "\t" + metric.name() + "\t" + tags);
            }
        }
        lines.forEach(System.out::println);
    }
}
