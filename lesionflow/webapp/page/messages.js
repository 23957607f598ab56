"use strict";

/* What the page says, in each language. {name} is filled in; \u00ad is where a word may be broken on narrow screens. */

const MESSAGES = {
  en: {
    language: "Language",
    research: "For research. Not a medical device, not a diagnosis.",
    private: "Your images stay on this device: the page sends nothing to anybody.",
    demo: "This model was trained on synthetic demo data; what it says of real images means nothing.",
    licence: "Licence of the model's training images: {licence}. It also applies to the use of the model.",
    add: "Add images",
    drop: "Drop images or a folder here, or",
    chooseFiles: "Choose images",
    chooseFolder: "Choose a folder",
    takePhoto: "Take a photograph",
    loading: "The model is loading…",
    ready: "Ready.",
    working: "Images done: {done} of {total}",
    finished: "Done. Images: {total}, failed: {failed}.",
    nothing: "No images were found. Files examined: {count}.",
    leftOut: "Files skipped because they are not images: {count}.",
    restored: "Results of an earlier visit: {count}. To continue, choose the same folder again: only the missing images are scored.",
    storageFull: "The browser has no room to keep results ({reason}). They stay in this tab until it is closed: save the CSV.",
    missing: "This page cannot work: {files} did not load. Copy the whole folder that 'lesionflow web' wrote, not the page alone.",
    broken: "The model cannot be run in this browser ({reason}). Current versions of Chrome, Edge, Firefox and Safari can.",
    results: "Results",
    save: "Save the CSV",
    forget: "Start over",
    forgetTitle: "Removes all results from this browser; your images are not touched.",
    order: "Order",
    byMalignant: "most suspicious first",
    byPath: "by name",
    summary: "Malignant at the operating point: {malignant}. For a person to check: {uncertain} uncertain, {unfamiliar} unfamiliar. Failed: {failed}.",
    image: "Image",
    call: "Call",
    called: "called",
    probability: "Probability",
    malignant: "Malignant",
    refer: "Refer",
    yes: "yes",
    no: "no",
    uncertain: "uncertain",
    unfamiliar: "unfamiliar",
    previous: "Previous",
    next: "Next",
    pageOf: "{first} to {last} of {total}",
    looking: "Analysing the image…",
    mapping: "Drawing the map: {share}",
    details: "About {name}",
    seen: "What the network sees",
    map: "What supports {name}",
    mapHelp: "Blue: covering this part with the image's mean colour makes {name} less probable; yellow: more probable. Uncovered {probability}, covered as low as {lowest}.",
    shareInTraining: "Share in training",
    fileGone: "The image itself was not kept. Choose the file again to see it.",
    operatingPoint: "operating point {share}",
    why_no: "Refer to a person as uncertain or unfamiliar: no.",
    why_uncertain: "Refer to a person: the call is uncertain.",
    why_unfamiliar: "Refer to a person: the image is unlike the training images.",
    not_found: "not found", no_permission: "no permission", empty: "empty", not_an_image: "not an image",
    too_large: "too large", damaged: "damaged", unsupported: "unsupported", unreadable: "unreadable", crash: "crash",
  },
  de: {
    language: "Sprache",
    research: "Für Forschungszwecke. Kein Medizinprodukt, keine Diagnose.",
    private: "Ihre Bilder bleiben auf diesem Gerät: Die Seite sendet nichts.",
    demo: "Dieses Modell wurde mit künstlichen Beispieldaten trainiert; was es über echte Bilder sagt, bedeutet nichts.",
    licence: "Lizenz der Trainingsbilder des Modells: {licence}. Sie gilt auch für die Nutzung des Modells.",
    add: "Bilder hinzufügen",
    drop: "Bilder oder einen Ordner hier ablegen oder",
    chooseFiles: "Bilder auswählen",
    chooseFolder: "Ordner auswählen",
    takePhoto: "Foto aufnehmen",
    loading: "Das Modell wird geladen …",
    ready: "Bereit.",
    working: "Bearbeitete Bilder: {done} von {total}",
    finished: "Fertig. Bilder: {total}, fehlgeschlagen: {failed}.",
    nothing: "Keine Bilder gefunden. Geprüfte Dateien: {count}.",
    leftOut: "Übersprungene Dateien, die keine Bilder sind: {count}.",
    restored: "Ergebnisse eines früheren Besuchs: {count}. Zum Fortsetzen wählen Sie denselben Ordner noch einmal aus: Nur die fehlenden Bilder werden bewertet.",
    storageFull: "Der Browser hat keinen Platz mehr, um Ergebnisse zu speichern ({reason}). Sie bleiben in diesem Tab, bis er geschlossen wird: Speichern Sie die CSV-Datei.",
    missing: "Diese Seite funktioniert nicht: Nicht geladen: {files}. Kopieren Sie den ganzen Ordner, den „lesionflow web“ angelegt hat, nicht nur die Seite.",
    broken: "Das Modell läuft in diesem Browser nicht ({reason}), wohl aber in aktuellen Versionen von Chrome, Edge, Firefox und Safari.",
    results: "Ergebnisse",
    save: "CSV speichern",
    forget: "Von vorn beginnen",
    forgetTitle: "Entfernt alle Ergebnisse aus diesem Browser; Ihre Bilder bleiben unverändert.",
    order: "Reihenfolge",
    byMalignant: "verdächtigste zuerst",
    byPath: "nach Namen",
    summary: "Bösartig am Arbeitspunkt: {malignant}. Von einem Menschen zu prüfen: {uncertain} unsicher, {unfamiliar} ungewöhnlich. Fehlgeschlagen: {failed}.",
    image: "Bild",
    call: "Einstufung",
    called: "ist die Einstufung",
    probability: "Wahrschein\u00adlichkeit",
    malignant: "Bösartig",
    refer: "Prüfen",
    yes: "ja",
    no: "nein",
    uncertain: "unsicher",
    unfamiliar: "unge\u00adwöhnlich",
    previous: "Zurück",
    next: "Weiter",
    pageOf: "{first} bis {last} von {total}",
    looking: "Das Bild wird analysiert …",
    mapping: "Die Karte wird gezeichnet: {share}",
    details: "Details zu {name}",
    seen: "Was das Netz sieht",
    map: "Was für {name} spricht",
    mapHelp: "Blau: Wird dieser Teil mit der mittleren Farbe des Bildes verdeckt, ist {name} weniger wahrscheinlich; gelb: wahrscheinlicher. Unverdeckt {probability}, verdeckt im niedrigsten Fall {lowest}.",
    shareInTraining: "Anteil im Training",
    fileGone: "Das Bild selbst wurde nicht aufbewahrt. Wählen Sie die Datei noch einmal aus, um es zu sehen.",
    operatingPoint: "Arbeitspunkt {share}",
    why_no: "Von einem Menschen zu prüfen, weil unsicher oder ungewöhnlich: nein.",
    why_uncertain: "Von einem Menschen zu prüfen: Die Einstufung ist unsicher.",
    why_unfamiliar: "Von einem Menschen zu prüfen: Das Bild ähnelt den Trainingsbildern nicht.",
    not_found: "nicht gefunden", no_permission: "keine Berechtigung", empty: "leer", not_an_image: "kein Bild",
    too_large: "zu groß", damaged: "beschädigt", unsupported: "nicht unterstützt", unreadable: "nicht lesbar",
    crash: "Absturz",
  },
  es: {
    language: "Idioma",
    research: "Para uso en investigación. No es un producto sanitario ni un diagnóstico.",
    private: "Sus imágenes no salen de este dispositivo: la página no envía nada a nadie.",
    demo: "Este modelo se entrenó con datos sintéticos de demostración; lo que dice de imágenes reales no significa nada.",
    licence: "Licencia de las imágenes de entrenamiento del modelo: {licence}. También se aplica al uso del modelo.",
    add: "Añadir imágenes",
    drop: "Suelte aquí imágenes o una carpeta, o",
    chooseFiles: "Elegir imágenes",
    chooseFolder: "Elegir una carpeta",
    takePhoto: "Hacer una foto",
    loading: "Cargando el modelo…",
    ready: "Listo.",
    working: "Imágenes procesadas: {done} de {total}",
    finished: "Terminado. Imágenes: {total}, con error: {failed}.",
    nothing: "No se encontraron imágenes. Archivos examinados: {count}.",
    leftOut: "Archivos omitidos por no ser imágenes: {count}.",
    restored: "Resultados de una visita anterior: {count}. Para continuar, elija otra vez la misma carpeta: solo se evalúan las imágenes que faltan.",
    storageFull: "El navegador no tiene espacio para guardar resultados ({reason}). Permanecen en esta pestaña hasta que se cierre: guarde el CSV.",
    missing: "Esta página no puede funcionar: no se cargó: {files}. Copie toda la carpeta que creó «lesionflow web», no solo la página.",
    broken: "El modelo no funciona en este navegador ({reason}). Sí funciona en las versiones actuales de Chrome, Edge, Firefox y Safari.",
    results: "Resultados",
    save: "Guardar el CSV",
    forget: "Empezar de nuevo",
    forgetTitle: "Borra todos los resultados de este navegador; sus imágenes no se modifican.",
    order: "Orden",
    byMalignant: "las más sospechosas primero",
    byPath: "por nombre",
    summary: "Malignas en el punto de operación: {malignant}. Para que las revise una persona: {uncertain} inciertas, {unfamiliar} inusuales. Con error: {failed}.",
    image: "Imagen",
    call: "Clasificación",
    called: "es la clasificación",
    probability: "Probabilidad",
    malignant: "Maligna",
    refer: "Revisar",
    yes: "sí",
    no: "no",
    uncertain: "incierta",
    unfamiliar: "inusual",
    previous: "Anterior",
    next: "Siguiente",
    pageOf: "{first} a {last} de {total}",
    looking: "Analizando la imagen…",
    mapping: "Dibujando el mapa: {share}",
    details: "Detalles de {name}",
    seen: "Lo que ve la red",
    map: "Lo que apunta a {name}",
    mapHelp: "Azul: si esta parte se cubre con el color medio de la imagen, {name} es menos probable; amarillo: más probable. Sin cubrir, {probability}; cubierta, como mínimo {lowest}.",
    shareInTraining: "Proporción en el entrena\u00admiento",
    fileGone: "No se guardó la imagen. Elija otra vez el archivo para verla.",
    operatingPoint: "punto de operación {share}",
    why_no: "Revisión por una persona, por incierta o inusual: no.",
    why_uncertain: "Revisión por una persona: la clasificación es incierta.",
    why_unfamiliar: "Revisión por una persona: la imagen no se parece a las imágenes de entrenamiento.",
    not_found: "no encontrado", no_permission: "sin permiso", empty: "vacío", not_an_image: "no es una imagen",
    too_large: "demasiado grande", damaged: "dañado", unsupported: "no admitido", unreadable: "ilegible", crash: "fallo",
  },
};
const LANGUAGES = { en: "English", de: "Deutsch", es: "Español" };

/* Diagnoses by the full name that the card has in English; one that is not here is shown as the card has it. */
const DIAGNOSES = {
  "actinic keratosis / intraepithelial carcinoma": {
    de: "aktinische Keratose / intra\u00adepitheliales Karzinom", es: "queratosis actínica / carcinoma intraepitelial",
  },
  "actinic keratosis": { de: "aktinische Keratose", es: "queratosis actínica" },
  "basal cell carcinoma": { de: "Basalzell\u00adkarzinom", es: "carcinoma basocelular" },
  "benign keratosis": { de: "gutartige Keratose", es: "queratosis benigna" },
  "benign lesion": { de: "gutartige Läsion", es: "lesión benigna" },
  "dermatofibroma": { de: "Dermatofibrom", es: "dermatofibroma" },
  "malignant lesion": { de: "bösartige Läsion", es: "lesión maligna" },
  "melanocytic nevus": { de: "melano\u00adzytärer Nävus", es: "nevo melanocítico" },
  "melanoma": { de: "Melanom", es: "melanoma" },
  "nevus": { de: "Nävus", es: "nevo" },
  "seborrheic keratosis": { de: "seborrhoische Keratose", es: "queratosis seborreica" },
  "squamous cell carcinoma": { de: "Platten\u00adepithel\u00adkarzinom", es: "carcinoma epidermoide" },
  "squamous cell carcinoma (with Bowen's disease)": {
    de: "Platten\u00adepithel\u00adkarzinom (mit Morbus Bowen)", es: "carcinoma epidermoide (con enfermedad de Bowen)",
  },
  "vascular lesion": { de: "vaskuläre Läsion", es: "lesión vascular" },
};

/* Details of errors, which the CSV has in English; what is not here is shown so, such as what of a file is damaged. */
const DETAILS = [
  [/^the content is none of (.+)$/, {
    de: "der Inhalt hat keines dieser Formate: {1}", es: "el contenido no tiene ninguno de estos formatos: {1}" }],
  [/^a web page, as of a failed download; download it again$/, {
    de: "eine Webseite, wie nach einem fehlgeschlagenen Download; laden Sie das Bild neu herunter",
    es: "una página web, como tras una descarga fallida; descargue la imagen de nuevo" }],
  [/^a server's message, as of a failed download; download it again$/, {
    de: "die Meldung eines Servers, wie nach einem fehlgeschlagenen Download; laden Sie das Bild neu herunter",
    es: "el mensaje de un servidor, como tras una descarga fallida; descargue la imagen de nuevo" }],
  [/^a pointer of Git LFS; fetch the file with git lfs pull$/, {
    de: "ein Verweis von Git LFS; holen Sie die Datei mit git lfs pull",
    es: "un puntero de Git LFS; obtenga el archivo con git lfs pull" }],
  [/^a pointer of git-annex; fetch the file with git annex get$/, {
    de: "ein Verweis von git-annex; holen Sie die Datei mit git annex get",
    es: "un puntero de git-annex; obtenga el archivo con git annex get" }],
  [/^a pointer of DVC; fetch the file with dvc pull$/, {
    de: "ein Verweis von DVC; holen Sie die Datei mit dvc pull",
    es: "un puntero de DVC; obtenga el archivo con dvc pull" }],
  [/^a link, or what stands for a file elsewhere; copy the file itself$/, {
    de: "eine Verknüpfung oder ein Platzhalter; kopieren Sie die Datei selbst",
    es: "un enlace o lo que representa a un archivo en otro lugar; copie el propio archivo" }],
  [/^what a Mac keeps beside a file \(AppleDouble\); copy the file itself$/, {
    de: "was ein Mac neben einer Datei ablegt (AppleDouble); kopieren Sie die Datei selbst",
    es: "lo que un Mac guarda junto a un archivo (AppleDouble); copie el propio archivo" }],
  [/^(.+) written as text, in base64 or hexadecimal digits; decode it$/, {
    de: "{1} als Text geschrieben, in Base64 oder Hexadezimalziffern; dekodieren Sie die Datei",
    es: "{1} escrito como texto, en base64 o dígitos hexadecimales; decodifíquelo" }],
  [/^the path of another file, as of a link that was not kept; copy that file$/, {
    de: "der Pfad einer anderen Datei, wie von einer verlorenen Verknüpfung; kopieren Sie jene Datei",
    es: "la ruta de otro archivo, como de un enlace que se perdió; copie ese archivo" }],
  [/^other bytes in front of (.+), which begins at byte (\d+); save the image in it$/, {
    de: "andere Bytes vor {1}, das erst bei Byte {2} beginnt; speichern Sie das Bild darin",
    es: "otros bytes delante de {1}, que empieza en el byte {2}; guarde la imagen que contiene" }],
  [/^a file packed for e-mail; unpack it$/, {
    de: "eine für E-Mail gepackte Datei; entpacken Sie sie", es: "un archivo empaquetado para correo; desempaquételo" }],
  [/^a document of Office, or an e-mail; save the image in it$/, {
    de: "ein Office-Dokument oder eine E-Mail; speichern Sie das Bild darin",
    es: "un documento de Office o un correo electrónico; guarde la imagen que contiene" }],
  [/^encrypted; decrypt it$/, { de: "verschlüsselt; entschlüsseln Sie die Datei", es: "cifrado; descífrelo" }],
  [/^a table or arrays; save the images in it as PNG or JPEG$/, {
    de: "eine Tabelle oder Zahlenfelder; speichern Sie die Bilder darin als PNG oder JPEG",
    es: "una tabla o matrices; guarde sus imágenes como PNG o JPEG" }],
  [/^an e-mail; save what is attached to it$/, {
    de: "eine E-Mail; speichern Sie ihren Anhang", es: "un correo electrónico; guarde lo que lleva adjunto" }],
  [/^an archive; unpack it$/, { de: "ein Archiv; entpacken Sie es", es: "un archivo comprimido; descomprímalo" }],
  [/^an HDF5 file; name its images in a table of paths, such as (.+)$/, {
    de: "eine HDF5-Datei; nennen Sie „lesionflow score“ ihre Bilder in einer Tabelle von Pfaden, etwa {1}",
    es: "un archivo HDF5; indique a «lesionflow score» sus imágenes en una tabla de rutas, como {1}" }],
  [/^an image of a format that is not read; save it as PNG or JPEG$/, {
    de: "ein Bild in einem Format, das nicht gelesen wird; speichern Sie es als PNG oder JPEG",
    es: "una imagen en un formato que no se lee; guárdela como PNG o JPEG" }],
  [/^a PDF document; save its image as PNG or JPEG$/, {
    de: "ein PDF-Dokument; speichern Sie das Bild darin als PNG oder JPEG",
    es: "un documento PDF; guarde su imagen como PNG o JPEG" }],
  [/^a document of Photoshop; save it as PNG or JPEG$/, {
    de: "ein Photoshop-Dokument; speichern Sie es als PNG oder JPEG",
    es: "un documento de Photoshop; guárdelo como PNG o JPEG" }],
  [/^a camera's raw image; save it as PNG or JPEG$/, {
    de: "das Rohbild einer Kamera; speichern Sie es als PNG oder JPEG",
    es: "la imagen en bruto (RAW) de una cámara; guárdela como PNG o JPEG" }],
  [/^a film, a sound, or another file of their kind$/, {
    de: "ein Video, eine Tonaufnahme oder eine Datei dieser Art", es: "un vídeo, un sonido u otro archivo de ese tipo" }],
  [/^it breaks off within its first bytes$/, {
    de: "die Datei bricht in den ersten Bytes ab", es: "el archivo se interrumpe en los primeros bytes" }],
  [/^(?:(.+) that was )?changed by a transfer as text; transfer it again, as binary data$/, {
    de: "beim Übertragen als Text verändert; übertragen Sie die Datei noch einmal, binär",
    es: "modificado al transferirse como texto; transfiera el archivo de nuevo, en modo binario" }],
  [/^text in front of (.+), which begins at byte (\d+); remove the text$/, {
    de: "Text vor {1}, das erst bei Byte {2} beginnt; entfernen Sie den Text",
    es: "texto delante de {1}, que empieza en el byte {2}; elimine el texto" }],
  [/^all its bytes are the same, as of a copy that was not finished; copy it again$/, {
    de: "alle Bytes sind gleich, wie nach unvollständigem Kopieren; kopieren Sie die Datei noch einmal",
    es: "todos los bytes son iguales, como en una copia incompleta; copie el archivo de nuevo" }],
  [/^its first (\d+) bytes are zeros, as of a copy that was not finished; copy it again$/, {
    de: "die ersten {1} Bytes sind Nullen, wie nach unvollständigem Kopieren; kopieren Sie die Datei noch einmal",
    es: "los primeros {1} bytes son ceros, como en una copia incompleta; copie el archivo de nuevo" }],
  [/^the file has no bytes$/, { de: "die Datei hat keinen Inhalt", es: "el archivo no tiene contenido" }],
  [/^the file cannot be read, or has changed since it was chosen$/, {
    de: "die Datei ist nicht lesbar oder wurde seit der Auswahl geändert",
    es: "el archivo no se puede leer o ha cambiado desde que se eligió" }],
  [/^(DICOM|(?:AVIF|BMP|JPEG) \(.+\)) in a browser; 'lesionflow score' reads it$/, {
    de: "{1} geht im Browser nicht; „lesionflow score“ liest es", es: "{1} no se admite en el navegador; «lesionflow score» lo lee" }],
  [/^a cut AVIF in a browser; 'lesionflow score' reads it$/, {
    de: "beschnittenes AVIF geht im Browser nicht; „lesionflow score“ liest es",
    es: "AVIF recortado no se admite en el navegador; «lesionflow score» lo lee" }],
  [/^CMYK without Adobe's marker in a browser; 'lesionflow score' reads it$/, {
    de: "CMYK ohne Kennung von Adobe geht im Browser nicht; „lesionflow score“ liest es",
    es: "CMYK sin la marca de Adobe no se admite en el navegador; «lesionflow score» lo lee" }],
  [/^a GIF that this browser cuts to its first frame; 'lesionflow score' reads it$/, {
    de: "dieser Browser beschneidet das GIF auf sein erstes Teilbild; „lesionflow score“ liest es",
    es: "este navegador recorta el GIF a su primer fotograma; «lesionflow score» lo lee" }],
  [/^JPEG, (.+), (\d+) bits a sample, (\d+) components; save it as a baseline JPEG or as PNG$/, {
    de: "JPEG, {1}, {2} Bit je Wert, {3} Komponenten; speichern Sie das Bild als Baseline-JPEG oder PNG",
    es: "JPEG, {1}, {2} bits por muestra, {3} componentes; guarde la imagen como JPEG baseline o PNG" }],
  [/^JPEG whose height stands behind its pixels; save it again$/, {
    de: "JPEG, dessen Höhe erst nach den Bilddaten steht; speichern Sie es neu",
    es: "JPEG cuya altura figura detrás de los píxeles; guárdelo de nuevo" }],
  [/^this browser cannot decode (.+); save it as JPEG or PNG$/, {
    de: "dieser Browser kann {1} nicht dekodieren; speichern Sie das Bild als JPEG oder PNG",
    es: "este navegador no puede decodificar {1}; guarde la imagen como JPEG o PNG" }],
  [/^a PNG of Apple's own kind, as in programs for phones; save it as PNG$/, {
    de: "ein PNG in Apples eigener Form, wie in Programmen für Telefone; speichern Sie es als PNG",
    es: "un PNG del formato propio de Apple, como en programas para teléfonos; guárdelo como PNG" }],
  [/^JPEG-LS outside of DICOM; save it as PNG$/, {
    de: "JPEG-LS außerhalb von DICOM; speichern Sie das Bild als PNG", es: "JPEG-LS fuera de DICOM; guarde la imagen como PNG" }],
  [/^(.+); save it as PNG or JPEG$/, {
    de: "{1}; speichern Sie das Bild als PNG oder JPEG", es: "{1}; guarde la imagen como PNG o JPEG" }],
  [/^its alpha is 0 everywhere; save it without alpha$/, {
    de: "das Bild ist überall durchsichtig; speichern Sie es ohne Transparenz",
    es: "la imagen es transparente por completo; guárdela sin transparencia" }],
  [/^more than (\d+) MiB$/, { de: "mehr als {1} MiB", es: "más de {1} MiB" }],
  [/^a JPEG of more than (\d+) scans$/, { de: "ein JPEG mit mehr als {1} Scans", es: "un JPEG de más de {1} barridos" }],
  [/^(\d+) x (\d+) is more than (\d+),000,000 pixels$/, {
    de: "{1} x {2} sind mehr als {3} Millionen Pixel", es: "{1} x {2} son más de {3} millones de píxeles" }],
  [/^this browser cannot decode (\d+) x (\d+) pixels$/, {
    de: "dieser Browser kann {1} x {2} Pixel nicht dekodieren", es: "este navegador no puede decodificar {1} x {2} píxeles" }],
  [/^there is not enough memory to decode it$/, {
    de: "der Speicher reicht zum Dekodieren nicht aus", es: "no hay memoria suficiente para decodificar la imagen" }],
  [/^(?:it breaks off.*|it ends before its pixels|premature end of .*|some of its scans are missing)$/, {
    de: "die Datei ist unvollständig", es: "el archivo está incompleto" }],
];

let language = "en";

/** The message of a name in the language chosen, with its values filled in. */
function say(name, values = {}) {
  return MESSAGES[language][name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/** A diagnosis in the language chosen; name: as the card has it in English. */
const diagnosisName = (name) => DIAGNOSES[name]?.[language] ?? name;

/** The reason why an image failed, and its detail, in the language chosen where there is one. */
function failureSaid({ reason, detail }) {
  const [pattern, texts] = DETAILS.find(([each]) => each.test(detail)) ?? [];
  return `${say(reason)}: ${texts?.[language] ? detail.replace(pattern, texts[language].replace(/\{(\d)\}/g, "$$$1")) : detail}`;
}

/** The language to begin with: the first of the browser's that the page has. */
function preferredLanguage(wanted) {
  return wanted.map((each) => each.slice(0, 2).toLowerCase()).find((each) => each in MESSAGES) ?? "en";
}
