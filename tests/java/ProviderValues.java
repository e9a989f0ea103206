import java.util.Properties;
import org.apache.kafka.clients.producer.ProducerConfig;

/** Reads properties, given as {@code key=value} each, and prints {@code client.id} as Java's client takes it. */
public class ProviderValues {
    public static void main(String[] arguments) {
        var properties = new Properties();
        String serializer = "org.apache.kafka.common.serialization.StringSerializer";
        properties.put("key.serializer", serializer);
        properties.put("value.serializer", serializer);
        properties.put("bootstrap.servers", "localhost:9092");
        for (String argument : arguments) {
            int middle = argument.indexOf('=');
            properties.put(argument.substring(0, middle), argument.substring(middle + 1));
        }
        System.out.println(new ProducerConfig(properties).getString("client.id"));
    }
}
