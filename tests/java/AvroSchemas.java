import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.avro.NameValidator;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;

/**
 * Reads a file of lines `{"reader": TEXT, "writer": TEXT}` and prints a line for each: what becomes of the reader's
 * text when it is a new schema, `{"text": TEXT}` or `{"refused": WHY}`, and where the writer's is taken, too, all
 * `problems` of the one reading the other, `[KIND, PATH, MESSAGE]` each.
 */
public class AvroSchemas {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            out.println(JSON.writeValueAsString(judge(JSON.readTree(line))));
        }
    }

    static ObjectNode judge(JsonNode pair) {
        ObjectNode verdict = JSON.createObjectNode();
        Schema reader;
        try {
            reader = parse(pair.get("reader").asText());
            verdict.put("text", reader.toString());
        } catch (RuntimeException refusal) {
            return verdict.put("refused", String.valueOf(refusal.getMessage()));
        }
        try {
            Schema writer = parse(pair.get("writer").asText());
            var result = SchemaCompatibility.checkReaderWriterCompatibility(reader, writer).getResult();
            var problems = JSON.createArrayNode();
            for (var problem : result.getIncompatibilities()) {
                problems.addArray().add(problem.getType().name()).add(problem.getLocation()).add(problem.getMessage());
            }
            verdict.set("problems", problems);
        } catch (RuntimeException refusal) {
            // There is nothing to compare with.
        }
        return verdict;
    }

    static Schema parse(String text) {
        Schema.Parser parser = new Schema.Parser(NameValidator.STRICT_VALIDATOR);
        parser.setValidateDefaults(true);
        return parser.parse(text);
    }
}
