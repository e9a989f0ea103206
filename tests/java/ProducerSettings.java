import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

/** Prints name and default of every setting of Java's producer, a line each, separated by a tab. */
public class ProducerSettings {
    public static void main(String[] arguments) {
        for (var setting : new TreeMap<>(ProducerConfig.configDef().configKeys()).values()) {
            Object value = setting.hasDefault() ? setting.defaultValue : null;
            String text = value == null ? "" : ConfigDef.convertToString(value, setting.type);
            System.out.println(setting.name + "\t" + text);
        }
    }
}
