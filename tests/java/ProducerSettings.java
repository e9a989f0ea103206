import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

/** Prints name, default, type and range of every setting of Java's producer, a line each, separated by tabs. */
public class ProducerSettings {
    public static void main(String[] arguments) {
        for (var setting : new TreeMap<>(ProducerConfig.configDef().configKeys()).values()) {
            Object value = setting.hasDefault() ? setting.defaultValue : null;
            String text = value == null ? "" : ConfigDef.convertToString(value, setting.type);
            System.out.println(setting.name + "\t" + text + "\t" + setting.type + "\t" + setting.validator);
        }
    }
}
